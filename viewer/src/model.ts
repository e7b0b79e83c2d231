/** What is shown for a cell and a slot: its own figure, a coarser one, or nothing. */

import type { Presence, Study, Zones } from "./data.js";

export type LevelChoice = "auto" | number;

export interface Zone {
  level: number;
  index: number;
}

export interface Shown {
  /** Level that the figure belongs to; null where nothing is published. */
  level: number | null;
  index: number;
  devices: number;
  lower: number;
  upper: number;
  /** The figure for an area of the drawn level: the coarser figure shared out evenly. */
  average: number;
}

export interface Total {
  devices: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
  /** Cells without a figure, by slot. */
  missing: Int32Array;
}

const NOTHING: Omit<Shown, "index"> = { level: null, devices: Number.NaN, lower: Number.NaN, upper: Number.NaN, average: Number.NaN };

export class Model {
  readonly slots: number;
  private readonly children = new Map<string, Int32Array>();

  constructor(readonly study: Study) {
    this.slots = study.slots.length;
  }

  get finest(): Presence | undefined {
    return this.study.presence[0];
  }

  get coarsest(): Presence | undefined {
    return this.study.presence.at(-1);
  }

  presence(level: LevelChoice): Presence | undefined {
    return level === "auto" ? this.finest : this.study.presence.find((p) => p.level === level);
  }

  zones(level: number): Zones | undefined {
    return this.study.zones.find((z) => z.level === level);
  }

  /** The ancestor of a zone at a coarser level of the release, or null. */
  ancestor(zone: Zone, level: number): Zone | null {
    let at: Zone = zone;
    for (const zones of this.study.zones) {
      if (zones.level !== at.level) continue;
      if (zones.level === level) return at;
      const up = zones.parents[at.index] ?? -1;
      const coarser = this.study.zones[this.study.zones.indexOf(zones) + 1];
      if (up < 0 || !coarser) return null;
      at = { level: coarser.level, index: up };
    }
    return at.level === level ? at : null;
  }

  /** How many cells of level `fine` each cell of level `coarse` holds. */
  private counts(fine: Zones, coarse: Zones): Int32Array {
    const key = `${fine.level}>${coarse.level}`;
    const known = this.children.get(key);
    if (known) return known;
    const out = new Int32Array(coarse.count);
    for (let i = 0; i < fine.count; i++) {
      const up = this.ancestor({ level: fine.level, index: i }, coarse.level);
      if (up) out[up.index] = (out[up.index] ?? 0) + 1;
    }
    this.children.set(key, out);
    return out;
  }

  own(zone: Zone, slot: number): Shown {
    const table = this.presence(zone.level);
    const i = zone.index * this.slots + slot;
    const devices = table?.devices[i] ?? Number.NaN;
    if (!table || Number.isNaN(devices)) return { ...NOTHING, index: zone.index };
    return { level: zone.level, index: zone.index, devices, lower: table.lower[i] ?? 0, upper: table.upper[i] ?? 0, average: devices };
  }

  /** The finest published figure that covers a zone. */
  shown(zone: Zone, slot: number, choice: LevelChoice): Shown {
    const own = this.own(zone, slot);
    if (own.level !== null || choice !== "auto") return own;
    const fine = this.zones(zone.level);
    for (const table of this.study.presence) {
      if (table.level >= zone.level) continue;
      const up = this.ancestor(zone, table.level);
      if (!up || !fine) continue;
      const figure = this.own(up, slot);
      if (figure.level !== null) return { ...figure, average: figure.devices / (this.counts(fine, table.zones)[up.index] || 1) };
    }
    return { ...NOTHING, index: zone.index };
  }

  /** Published slots of a zone. */
  published(zone: Zone): number {
    let n = 0;
    for (let t = 0; t < this.slots; t++) if (this.own(zone, t).level !== null) n++;
    return n;
  }

  mean(zone: Zone): number {
    let [sum, n] = [0, 0];
    for (let t = 0; t < this.slots; t++) {
      const figure = this.own(zone, t);
      if (figure.level !== null) {
        sum += figure.devices;
        n++;
      }
    }
    return n ? sum / n : Number.NaN;
  }

  /** The zone with the highest mean, of all or of those inside a coarser zone. */
  mostPresent(zones: Zones, within: Zone | null): Zone {
    let best: Zone = { level: zones.level, index: 0 };
    let most = -1;
    for (let index = 0; index < zones.count; index++) {
      const zone = { level: zones.level, index };
      if (within && this.ancestor(zone, within.level)?.index !== within.index) continue;
      const mean = this.mean(zone) || 0;
      if (mean > most) [best, most] = [zone, mean];
    }
    return best;
  }

  /** The sum over those cells of the coarsest level that have a figure, with the sums of the same cells' bounds. */
  total(): Total {
    const [devices, lower, upper] = [0, 1, 2].map(() => new Float64Array(this.slots)) as [Float64Array, Float64Array, Float64Array];
    const missing = new Int32Array(this.slots);
    const table = this.coarsest;
    for (let t = 0; t < this.slots; t++) {
      let [d, lo, hi, none] = [0, 0, 0, 0];
      for (let i = 0; table && i < table.zones.count; i++) {
        const k = i * this.slots + t;
        const v = table.devices[k] ?? Number.NaN;
        if (Number.isNaN(v)) none++;
        else {
          d += v;
          lo += table.lower[k] ?? 0;
          hi += table.upper[k] ?? 0;
        }
      }
      const any = table && none < table.zones.count;
      devices[t] = any ? d : Number.NaN;
      lower[t] = any ? lo : Number.NaN;
      upper[t] = any ? hi : Number.NaN;
      missing[t] = none;
    }
    return { devices, lower, upper, missing };
  }
}
