// Unpacks the brotli files of @sparticuz/chromium into a folder: node unpack.mjs SOURCE TARGET
import { createReadStream, createWriteStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";

const [source, target] = process.argv.slice(2);
for (const name of readdirSync(source).filter((n) => n.endsWith(".br"))) {
  await pipeline(createReadStream(join(source, name)), createBrotliDecompress(), createWriteStream(join(target, name.slice(0, -3))));
}
