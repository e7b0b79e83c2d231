/** The report's interactive part. Reads the data in the page, writes into #flockwise-app, asks nothing of any server. */

import "maplibre-gl/dist/maplibre-gl.css";
import "./style.css";
import { Chart } from "./chart.js";
import { decode, type Slot, type Study } from "./data.js";
import { FlowPanel } from "./flows.js";
import { hasWebGl, MapView, type CellPaint, type Picked } from "./map.js";
import { Model, type LevelChoice, type Zone } from "./model.js";
import { figure, legend, zoneOptions } from "./parts.js";
import { breaks, classOf, palette, rgb, type Theme } from "./scale.js";
import { clock, count, fullName, h, interval, leftOut, slotLabel, zoneName } from "./text.js";

const STEP_MS = 600;

class App {
  private readonly whole: Model;
  private readonly day: Model | null;
  /** What is shown: the whole window, or its typical day. */
  private model: Model;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");
  private readonly dark = matchMedia("(prefers-color-scheme: dark)");
  private theme: Theme = "light";
  private mode: "presence" | "flows" = "presence";
  private level: LevelChoice = "auto";
  private slot = 0;
  private zone: Zone | null = null;
  private timer = 0;
  private map: MapView | null = null;
  private limits: number[] = [];

  private readonly mapBox = h("div", { class: "map", id: "map" });
  private readonly tip = h("div", { class: "tip", role: "status", hidden: true });
  private readonly legend = h("div", { class: "legend" });
  private readonly play = h("button", { type: "button", class: "play", id: "play", "aria-label": "Play", click: () => this.toggle() });
  private readonly slider = h("input", { type: "range", id: "slot", min: 0, step: 1, "aria-label": "Time" });
  private readonly slotText = h("output", { id: "slot-label", for: "slot" });
  private readonly dayText = h("span", { class: "local" });
  private readonly zoneList = h("select", { id: "zone", "aria-label": "Chosen area" });
  private readonly readout = h("div", { class: "readout", id: "readout", "aria-live": "polite" });
  private readonly busiest = h("tbody");
  private readonly coverage = h("p", { class: "note", id: "coverage" });
  private readonly time = h("div", { class: "time" });
  private readonly side = h("div", { class: "panel-body" });
  private readonly regionChart: Chart;
  private readonly zoneChart: Chart;
  private readonly zoneTitle = h("h3", { id: "zone-title" });
  private readonly zoneNote = h("p", { class: "note" });
  private readonly flows: FlowPanel;

  constructor(
    private readonly root: HTMLElement,
    private readonly study: Study,
  ) {
    this.whole = this.model = new Model(study);
    this.day = study.typicalDay && new Model({ ...study, ...study.typicalDay });
    this.flows = new FlowPanel(study, this.model, () => this.draw());
    this.regionChart = new Chart(study.slots, 210, (slot) => this.seek(slot));
    this.zoneChart = new Chart(study.slots, 210, (slot) => this.seek(slot));
    if (!study.presence.length) this.mode = "flows";
    this.slot = this.start();
    const home = this.model.finest?.zones ?? study.flows[0]?.zones;
    this.zone = home ? this.model.mostPresent(home, null) : null;
    this.layout();
    this.theme = this.dark.matches ? "dark" : "light";
    root.dataset["mode"] = this.mode;
    this.dark.addEventListener("change", () => this.setTheme(this.dark.matches ? "dark" : "light"));
    document.getElementById("theme")?.addEventListener("click", () => this.setTheme(this.theme === "light" ? "dark" : "light"));
    let onScreen = this.theme;
    addEventListener("beforeprint", () => {
      document.querySelectorAll("details").forEach((d) => (d.open = true));
      onScreen = this.theme;
      this.setTheme("light");
      this.map?.redraw();
    });
    addEventListener("afterprint", () => this.setTheme(onScreen));
    this.startMap();
    this.fillZones();
    this.drawRegion();
    this.setTheme(this.theme);
    root.dataset["ready"] = "true";
  }

  /** The first slot that starts at 8 in the morning, so that the report opens on a city awake. */
  private start(): number {
    return Math.max(0, this.slots.findIndex((slot) => clock(slot.wall) >= "08:00"));
  }

  private get slots(): Slot[] {
    return this.model.study.slots;
  }

  /** The whole window or the typical day, from the slot at the same time of the day on. */
  private show(model: Model): void {
    if (model === this.model) return;
    const time = clock(this.slots[this.slot]?.wall ?? 0);
    this.model = model;
    this.slot = Math.max(0, this.slots.findIndex((slot) => clock(slot.wall) >= time));
    this.slider.max = String(Math.max(0, this.slots.length - 1));
    this.fillZones();
    this.drawRegion();
  }

  private layout(): void {
    const { study } = this;
    const modes = h("div", { class: "segments", role: "radiogroup", "aria-label": "What the map shows" });
    const choices = [
      ["presence", "Present population", study.presence.length, this.whole],
      ["presence", "Typical day", this.day ? 1 : 0, this.day],
      ["flows", "Trips between areas", study.flows.length, null],
    ] as const;
    for (const [mode, label, there, model] of choices) {
      if (!there) continue;
      const set = (): void => {
        this.mode = mode;
        this.pause();
        if (model) this.show(model);
        this.hint(null);
        this.draw();
        this.aim();
      };
      modes.append(h("label", {}, h("input", { type: "radio", name: "mode", value: label, checked: mode === this.mode && (!model || model === this.model), change: set }), h("span", {}, label)));
    }
    const levels = h("div", { class: "segments", role: "radiogroup", "aria-label": "Level of detail", id: "levels" });
    for (const choice of ["auto" as const, ...study.presence.map((p) => p.level)]) {
      const title = choice === "auto" ? "The finest published figure" : `H3 resolution ${choice}`;
      const input = h("input", { type: "radio", name: "level", value: choice, checked: choice === this.level, change: () => this.setLevel(choice) });
      levels.append(h("label", { title }, input, h("span", {}, choice === "auto" ? "Auto" : `r${choice}`)));
    }
    this.slider.max = String(Math.max(0, study.slots.length - 1));
    this.slider.addEventListener("input", () => {
      this.pause();
      this.seek(Number(this.slider.value));
    });
    this.zoneList.addEventListener("change", () => {
      const [level, index] = this.zoneList.value.split(":").map(Number);
      this.choose({ level: level ?? 0, index: index ?? 0 }, true);
    });
    this.zoneList.addEventListener("focus", () => this.hintAtZone());
    this.zoneList.addEventListener("blur", () => this.hint(null));
    this.side.append(
      h("label", { class: "field" }, "Chosen area", this.zoneList),
      this.readout,
      h("h3", {}, "Most present at this time"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Most present at this time" }, h(
        "table",
        { class: "busy" },
        h("caption", { class: "hidden" }, "The areas with the most devices in this slot, with 90 % intervals"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Area"), h("th", { scope: "col", class: "number" }, "Devices"), h("th", { scope: "col", class: "number" }, "90 % interval"))),
        this.busiest,
      )),
    );
    this.time.append(this.play, h("div", { class: "when" }, this.slotText, this.dayText), this.slider);
    this.dayText.textContent = study.timezone ? `local time, ${study.timezone}` : "";
    const fit = h("button", { type: "button", class: "quiet", click: () => this.map?.fit(null, true) }, "Whole region");
    this.mapBox.append(this.tip);
    this.root.append(
      h(
        "section",
        { class: "card explorer", "aria-label": "Map" },
        h("div", { class: "toolbar" }, modes, levels, fit),
        h("div", { class: "stage" }, h("div", { class: "canvas" }, this.mapBox), h("div", { class: "panel" }, this.side, this.flows.body)),
        h("div", { class: "bar" }, this.time, this.flows.slots),
        h("div", { class: "legends" }, this.legend, this.flows.key),
        h("div", { class: "foot" }, this.coverage, h("p", { class: "credit" }, "Outlines: Natural Earth; U.S. Census Bureau")),
      ),
    );
    if (study.presence.length) {
      const regionNote = h("p", { class: "note", id: "region-note" });
      this.root.append(
        ...[document.getElementById("facts")].filter((e) => e !== null),
        h("section", { class: "card", "aria-label": "Present population over time" },
          h("h2", {}, "Present population over time"),
          h("div", { class: "charts" }, h("figure", {}, h("h3", {}, "Whole region"), this.regionChart.svg, regionNote), h("figure", {}, this.zoneTitle, this.zoneChart.svg, this.zoneNote)),
        ),
      );
    }
  }

  private startMap(): void {
    const home = this.model.finest?.zones ?? this.study.flows[0]?.zones;
    if (!hasWebGl() || !home) {
      this.mapBox.append(h("p", { class: "no-map", id: "no-map" }, "This browser offers no WebGL, so the map can't be drawn. The lists, the series and the tables below show the same figures."));
      return;
    }
    this.map = new MapView(this.mapBox, this.study.basemap, this.study.box, home, this.theme, !this.still.matches, (picked) => this.hint(picked), (picked) => this.click(picked));
  }

  private setTheme(theme: Theme): void {
    this.theme = theme;
    document.documentElement.dataset["theme"] = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = theme === "light" ? "Dark" : "Light";
    button?.setAttribute("aria-label", theme === "light" ? "Switch to dark colours" : "Switch to light colours");
    this.map?.setTheme(theme);
    this.draw();
  }

  private setLevel(level: LevelChoice): void {
    this.level = level;
    const table = this.model.presence(level);
    if (table && this.zone) {
      const up = this.model.ancestor(this.zone, table.level);
      this.zone = up ?? this.model.mostPresent(table.zones, this.zone);
    }
    this.fillZones();
    this.draw();
  }

  private toggle(): void {
    if (this.timer) return this.pause();
    this.play.setAttribute("aria-label", "Pause");
    this.play.classList.add("on");
    this.timer = window.setInterval(() => this.seek((this.slot + 1) % this.slots.length), STEP_MS);
  }

  private pause(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.play.setAttribute("aria-label", "Play");
    this.play.classList.remove("on");
  }

  private seek(slot: number): void {
    this.slot = slot;
    this.draw();
  }

  private choose(zone: Zone, focus = false): void {
    this.zone = zone;
    this.flows.setZone(zone);
    this.zoneList.value = `${zone.level}:${zone.index}`;
    this.draw();
    if (focus) this.hintAtZone();
  }

  private click(picked: Picked): void {
    if (picked.flow) return this.flows.choose(picked.flow);
    if (!picked.zone) return;
    const table = this.model.presence(this.level);
    const fits = !table || picked.zone.level === table.level;
    this.choose(fits ? picked.zone : this.model.mostPresent(table.zones, picked.zone));
  }

  private fillZones(): void {
    const zones = this.model.presence(this.level)?.zones ?? this.study.flows[0]?.zones;
    if (!zones) return;
    this.zoneList.replaceChildren(...zoneOptions(this.model, zones));
    if (this.zone) this.zoneList.value = `${this.zone.level}:${this.zone.index}`;
  }

  private draw(): void {
    const presence = this.mode === "presence";
    this.root.dataset["mode"] = this.mode;
    if (presence) {
      this.map?.hideFlows();
      this.drawCells();
    } else {
      this.map?.hideCells();
    }
    const flowView = this.study.flows.length ? this.flows.view() : null;
    if (!presence && flowView) {
      this.map?.showFlows(flowView.flows, flowView.rows, flowView.widest, flowView.largestWithin, flowView.chosen);
      this.coverage.textContent = "Trips made by the panel's devices in the whole window, by time of departure. They are not scaled to the census population.";
    }
    this.drawTime();
    this.drawZone();
  }

  /** Flows of a large region may fill a small part of it: the map goes where they are. */
  private aim(): void {
    const view = this.mode === "flows" ? this.flows.view() : null;
    const ends = view?.rows.flatMap((row) => [row.origin, row.destination]) ?? [];
    const zones = view?.flows.zones;
    this.map?.fit(zones ? ends.map((i): [number, number] => [zones.lon[i] ?? 0, zones.lat[i] ?? 0]) : null, false);
  }

  private drawTime(): void {
    const slot = this.slots[this.slot];
    if (!slot) return;
    const label = slotLabel(slot);
    this.slotText.textContent = label;
    this.slider.value = String(this.slot);
    this.slider.setAttribute("aria-valuetext", label);
    this.slider.style.setProperty("--done", `${(100 * this.slot) / Math.max(1, this.slots.length - 1)}%`);
  }

  private drawCells(): void {
    const table = this.model.presence(this.level);
    if (!table) return;
    const { zones } = table;
    this.limits = breaks(table.devices);
    const colors = palette(this.theme).map(rgb);
    let [own, coarse, none] = [0, 0, 0];
    const ranked: { index: number; devices: number; lower: number; upper: number }[] = [];
    const paint = Array.from({ length: zones.count }, (_, index): CellPaint => {
      const figure = this.model.shown({ level: zones.level, index }, this.slot, this.level);
      if (figure.level === null) {
        none++;
        return { color: [128, 138, 145], hatch: "none" };
      }
      if (figure.level === zones.level) {
        own++;
        ranked.push({ index, devices: figure.devices, lower: figure.lower, upper: figure.upper });
      } else coarse++;
      return { color: colors[classOf(figure.average, this.limits)] ?? [0, 0, 0], hatch: figure.level === zones.level ? "own" : "coarse" };
    });
    this.map?.showCells(zones, paint);
    this.legend.replaceChildren(...legend(zones, this.limits, this.theme, own > 0, coarse > 0, none > 0));
    const part = [`${count(own)} of ${count(zones.count)} areas have a figure of their own in this slot`];
    if (this.level === "auto" && coarse) part.push(`${count(coarse)} take the average of the larger area around them`);
    if (none) part.push(`${count(none)} have none`);
    const mean = this.model === this.day ? "Means over the days of the window. " : "";
    this.coverage.textContent = `${mean}${part.join("; ")}. Too thin figures are withheld.`;
    ranked.sort((a, b) => b.devices - a.devices);
    const list = this.busiest.closest(".scroll");
    for (const part of [list, list?.previousElementSibling]) part?.toggleAttribute("hidden", !ranked.length);
    this.busiest.replaceChildren(
      ...ranked.slice(0, 12).map((r) =>
        h("tr", {},
          h("td", {}, h("button", { type: "button", class: "link", click: () => this.choose({ level: zones.level, index: r.index }) }, zoneName(zones, r.index))),
          h("td", { class: "number" }, count(r.devices)),
          h("td", { class: "number" }, interval(r.lower, r.upper)),
        ),
      ),
    );
  }

  private drawRegion(): void {
    const total = this.model.total();
    const coarsest = this.model.coarsest;
    if (!coarsest) return;
    this.regionChart.span(this.slots, total, "Devices present in the whole region, by time");
    const gaps = total.missing.reduce((n, v) => n + (v ? 1 : 0), 0);
    const note = document.getElementById("region-note");
    if (!note) return;
    const most = total.missing.reduce((m, v) => Math.max(m, v), 0);
    note.textContent = `Sum of the r${coarsest.level} areas that have a figure. Band: their 90 % intervals added up, which is wider than a 90 % interval of the sum.`;
    if (gaps) note.textContent += ` Up to ${count(most)} of ${count(coarsest.zones.count)} areas are withheld in a slot and are not in the sum.`;
  }

  private drawZone(): void {
    const zone = this.zone;
    const zones = zone ? this.model.zones(zone.level) : undefined;
    if (!zone || !zones) return;
    const chosen = this.mode === "presence" || this.flows.current()?.level === zone.level ? zone : this.model.ancestor(zone, this.flows.current()?.level ?? zone.level);
    const drawn = chosen ? this.model.zones(chosen.level) : undefined;
    this.map?.showChoice(drawn, chosen?.index ?? -1);
    if (!this.study.presence.length) return;
    const published = this.model.published(zone);
    let from = zone;
    for (const table of this.model.study.presence) {
      if (published || table.level >= zone.level) continue;
      const up = this.model.ancestor(zone, table.level);
      if (up && this.model.published(up)) {
        from = up;
        break;
      }
    }
    const source = this.model.presence(from.level);
    if (!source) return;
    const at = from.index * this.model.slots;
    const series = { devices: source.devices.subarray(at, at + this.model.slots), lower: source.lower.subarray(at, at + this.model.slots), upper: source.upper.subarray(at, at + this.model.slots) };
    this.zoneTitle.textContent = `Chosen area: ${zoneName(zones, zone.index)}`;
    this.zoneChart.span(this.slots, series, `Devices present in ${zoneName(zones, zone.index)}, by time, with 90 % intervals`);
    this.zoneChart.at(this.slot);
    this.regionChart.at(this.slot);
    const shown = this.model.published(from);
    const gap = shown < this.model.slots ? ` Withheld in ${count(this.model.slots - shown)} of ${count(this.model.slots)} slots, where the line is broken.` : "";
    this.zoneNote.textContent = from === zone ? `Line: estimate. Band: 90 % interval.${gap}` : `This area is withheld in every slot; the series is that of the larger area (r${from.level}) around it.${gap}`;
    this.readout.replaceChildren(...figure(this.model, zone, this.slot));
  }

  private lines(picked: Picked): string[] {
    if (picked.flow) return this.flows.describe(picked.flow);
    const zone = picked.zone;
    const zones = zone ? this.model.zones(zone.level) : undefined;
    if (!zone || !zones) return [];
    const [head, cut] = [fullName(zones, zone.index), leftOut(zones, zone.index)];
    if (this.mode === "flows") return [head, ...cut];
    const figure = this.model.shown(zone, this.slot, this.level);
    if (figure.level === null) return [head, "Withheld", ...cut];
    const band = `90 % interval ${interval(figure.lower, figure.upper)}`;
    const figures = figure.level === zone.level ? [`${count(figure.devices)} devices`] : ["Withheld at this level", `Larger area (r${figure.level}): ${count(figure.devices)} devices`];
    return [head, ...figures, band, ...cut];
  }

  private hint(picked: Picked | null): void {
    this.tip.hidden = picked === null;
    if (!picked) return;
    const lines = this.lines(picked);
    this.tip.replaceChildren(...lines.map((line, i) => h(i ? "p" : "strong", {}, line)));
    const left = Math.max(8, Math.min(picked.x + 14, this.mapBox.clientWidth - this.tip.offsetWidth - 8));
    const above = picked.y + this.tip.offsetHeight + 20 > this.mapBox.clientHeight;
    this.tip.style.transform = `translate(${left}px, ${above ? Math.max(8, picked.y - this.tip.offsetHeight - 10) : picked.y + 14}px)`;
  }

  private hintAtZone(): void {
    const zones = this.zone ? this.model.zones(this.zone.level) : undefined;
    if (!this.map || !this.zone || !zones || this.mode !== "presence") return;
    const { x, y } = this.map.project(zones.lon[this.zone.index] ?? 0, zones.lat[this.zone.index] ?? 0);
    if (x < 0 || y < 0 || x > this.mapBox.clientWidth || y > this.mapBox.clientHeight) return this.hint(null);
    this.hint({ zone: this.zone, x, y });
  }
}

async function boot(): Promise<void> {
  const root = document.getElementById("flockwise-app");
  const data = document.getElementById("flockwise-data");
  if (!root || !data) return;
  try {
    const study = await decode(JSON.parse(data.textContent ?? "\"\"") as string);
    root.replaceChildren();
    new App(root, study);
  } catch (error) {
    root.replaceChildren(h("p", { class: "card" }, "The interactive part can't be shown in this browser. The tables below hold the main figures."));
    throw error;
  }
}

void boot();
