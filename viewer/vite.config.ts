import { readFileSync, readdirSync, existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, defineConfig, type Plugin } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");

/** MapLibre's worker and its shared half as one classic script, handed to the bundle as text: a report has nowhere to load it from. */
function worker(): Plugin {
  const name = "virtual:maplibre-worker";
  return {
    name: "flockwise-worker",
    resolveId: (id) => (id === name ? `\0${name}` : null),
    async load(id) {
      if (id !== `\0${name}`) return null;
      const out = await build({
        configFile: false,
        root: here,
        logLevel: "warn",
        build: {
          write: false,
          target: "es2022",
          lib: { entry: join(modules, "maplibre-gl/dist/maplibre-gl-worker.mjs"), formats: ["iife"], name: "w" },
        },
      });
      const chunks = (Array.isArray(out) ? out : [out]).flatMap((o) => ("output" in o ? o.output : []));
      const code = chunks.map((c) => (c.type === "chunk" ? c.code : "")).join("");
      return `export default ${JSON.stringify(code)};`;
    },
  };
}

/** The licence text of every package with a file in the bundle, and the outlines beside it. */
function licences(): Plugin {
  return {
    name: "flockwise-licences",
    generateBundle(_, bundle) {
      const names = new Set<string>(["maplibre-gl", "us-atlas", "world-atlas"]);
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const found = /.*node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(id);
          if (found?.[1]) names.add(found[1].replaceAll("\\", "/"));
        }
      }
      // MapLibre ships bundled: what it contains is listed by its own package.
      const own = JSON.parse(readFileSync(join(modules, "maplibre-gl/package.json"), "utf8")) as { dependencies: Record<string, string> };
      for (const name of Object.keys(own.dependencies)) if (!name.startsWith("@types/")) names.add(name);
      const parts = [...names].sort().map((name) => {
        const folder = join(modules, name);
        const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string; license?: string };
        const file = readdirSync(folder).sort().find((f) => /^licen[cs]e/i.test(f));
        const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${about.license ?? "see the package"} (the package carries no licence file).`;
        return `${name} ${about.version} (${about.license ?? "see below"})\n${"-".repeat(72)}\n${text}\n`;
      });
      const head = "What viewer.js, viewer.css and the outlines (*.topo.json) contain, and its licences.\nOutlines: Natural Earth (public domain) and the United States Census Bureau (public domain), packed by world-atlas and us-atlas.\n";
      this.emitFile({ type: "asset", fileName: "THIRD_PARTY_LICENSES.txt", source: [head, ...parts].join("\n").replace(/\r\n/g, "\n") });
      this.emitFile({ type: "asset", fileName: "counties.topo.json", source: readFileSync(join(modules, "us-atlas/counties-10m.json")) });
      this.emitFile({ type: "asset", fileName: "countries.topo.json", source: readFileSync(join(modules, "world-atlas/countries-10m.json")) });
    },
  };
}

export default defineConfig({
  root: here,
  logLevel: "warn",
  publicDir: false,
  define: { "import.meta": "{}", "process.env.NODE_ENV": '"production"' },
  plugins: [worker(), licences()],
  build: {
    target: "es2022",
    outDir: resolve(process.env["FLOCKWISE_VIEWER_OUT"] ?? join(here, "../src/flockwise/viewer/static")),
    emptyOutDir: true,
    sourcemap: false,
    cssCodeSplit: false,
    assetsInlineLimit: 1_000_000,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 10_000,
    lib: { entry: join(here, "src/main.ts"), formats: ["iife"], name: "flockwise", fileName: () => "viewer.js", cssFileName: "viewer" },
  },
});
