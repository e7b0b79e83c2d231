/** The report's data: one gzip block, laid out by src/flockwise/report/_payload.py. */

export interface Zones {
  level: number;
  count: number;
  cells: string[];
  names: string[];
  groups: string[];
  parents: Int32Array;
  lon: Float64Array;
  lat: Float64Array;
  /** Vertices of each cell, [lon, lat] pairs, not closed. */
  rings: [number, number][][];
  /** About how many per cent of each cell lie around sensitive places. */
  cut: Int32Array;
  areaKm2: number;
}

export interface Presence {
  level: number;
  zones: Zones;
  /** cells x slots, NaN where withheld. */
  devices: Float32Array;
  lower: Float32Array;
  upper: Float32Array;
}

export interface Flow {
  origin: number;
  destination: number;
  slot: number;
  trips: number;
  lower: number;
  upper: number;
}

export interface Flows {
  level: number;
  zones: Zones;
  rows: Flow[];
}

export interface Basemap {
  land: number[][];
  lines: { county: number[][]; state: number[][]; country: number[][]; coast: number[][] };
  places: [string, number, number, number][];
}

export interface Slot {
  /** Local wall time as if it were UTC, in milliseconds: use the UTC methods of Date. */
  wall: number;
  end: number;
  /** A slot of the typical day, whose wall time is that of no day in particular. */
  typical?: boolean;
}

export interface Study {
  timezone: string;
  slots: Slot[];
  zones: Zones[];
  presence: Presence[];
  /** The mean over the days of the window, at the levels of presence; null where the release has none. */
  typicalDay: { slots: Slot[]; presence: Presence[] } | null;
  flows: Flows[];
  flowSlots: [number, string][];
  box: [number, number, number, number];
  basemap: Basemap;
}

interface Meta {
  timezone: string;
  slotMinutes: number;
  zones: { level: number; cells: string[]; names: number[]; areaKm2: number }[];
  names: [string, string][];
  presence: number[];
  typicalDay: number[];
  flows: number[];
  flowSlots: [number, string][];
  box: [number, number, number, number];
  basemap: Basemap;
  blocks: Record<string, [offset: number, count: number]>;
}

/** Bytes of the element's base64 text, unpacked. */
async function unpack(text: string): Promise<Uint8Array> {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** int32 values stored as four planes of bytes, which compress better. */
function planes(bytes: Uint8Array, offset: number, count: number): Int32Array {
  const out = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    out[i] =
      (bytes[offset + i] ?? 0) |
      ((bytes[offset + count + i] ?? 0) << 8) |
      ((bytes[offset + 2 * count + i] ?? 0) << 16) |
      ((bytes[offset + 3 * count + i] ?? 0) << 24);
  }
  return out;
}

const unzigzag = (v: number): number => (v >>> 1) ^ -(v & 1);

/** Ints scaled by 10, as differences along each row of `width`. */
function rowsOf(values: Int32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  let run = 0;
  for (let i = 0; i < values.length; i++) {
    if (width && i % width === 0) run = 0;
    run += unzigzag(values[i] ?? 0);
    out[i] = run / 10;
  }
  return out;
}

export async function decode(text: string): Promise<Study> {
  const bytes = await unpack(text);
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true);
  const meta = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size))) as Meta;
  const block = (name: string): Int32Array => {
    const [offset, count] = meta.blocks[name] ?? [0, 0];
    return planes(bytes, 4 + size + offset, count);
  };
  const zones = meta.zones.map((z): Zones => {
    const key = `zones.${z.level}`;
    const corners = block(`${key}.corners`);
    const flat = block(`${key}.ring`);
    const rings: [number, number][][] = [];
    let at = 0;
    for (const n of corners) {
      const ring: [number, number][] = [];
      for (let k = 0; k < n; k++, at += 2) ring.push([(flat[at] ?? 0) / 1e5, (flat[at + 1] ?? 0) / 1e5]);
      rings.push(ring);
    }
    return {
      level: z.level,
      count: z.cells.length,
      cells: z.cells,
      names: z.names.map((i) => meta.names[i]?.[0] ?? ""),
      groups: z.names.map((i) => (meta.names[i] ?? []).filter(Boolean).join(", ")),
      parents: block(`${key}.parents`),
      lon: Float64Array.from(block(`${key}.lon`), (v) => v / 1e5),
      lat: Float64Array.from(block(`${key}.lat`), (v) => v / 1e5),
      rings,
      cut: block(`${key}.cut`),
      areaKm2: z.areaKm2,
    };
  });
  const zonesOf = (level: number): Zones => {
    const found = zones.find((z) => z.level === level);
    if (!found) throw new Error(`no zones at level ${level}`);
    return found;
  };
  const length = meta.slotMinutes * 60_000;
  const slots = Array.from(block("slots.wall"), (minute): Slot => ({ wall: minute * 60_000, end: minute * 60_000 + length }));
  const ofDay = Array.from(block("slots.day"), (minute): Slot => ({ wall: minute * 60_000, end: minute * 60_000 + length, typical: true }));
  const matrix = (kind: string, level: number, width: number): Presence => {
    const key = `${kind}.${level}`;
    const shown = block(`${key}.shown`);
    const devices = rowsOf(block(`${key}.devices`), width);
    const lower = rowsOf(block(`${key}.lower`), width);
    const upper = rowsOf(block(`${key}.upper`), width);
    for (let i = 0; i < devices.length; i++) {
      if (!((shown[i >> 5] ?? 0) & (1 << (i & 31)))) {
        devices[i] = lower[i] = upper[i] = Number.NaN;
      } else {
        lower[i] = (devices[i] ?? 0) - (lower[i] ?? 0);
        upper[i] = (devices[i] ?? 0) + (upper[i] ?? 0);
      }
    }
    return { level, zones: zonesOf(level), devices, lower, upper };
  };
  const presence = meta.presence.map((level) => matrix("presence", level, slots.length));
  const typicalDay = meta.typicalDay.length ? { slots: ofDay, presence: meta.typicalDay.map((level) => matrix("typical_day", level, ofDay.length)) } : null;
  const flows = meta.flows.map((level): Flows => {
    const key = `flows.${level}`;
    const [origin, destination, slot] = [block(`${key}.origin`), block(`${key}.destination`), block(`${key}.slot`)];
    const [trips, lower, upper] = [block(`${key}.trips`), block(`${key}.lower`), block(`${key}.upper`)];
    const rows = Array.from(origin, (o, i): Flow => ({
      origin: o,
      destination: destination[i] ?? 0,
      slot: slot[i] ?? 0,
      trips: (trips[i] ?? 0) / 10,
      lower: (lower[i] ?? 0) / 10,
      upper: (upper[i] ?? 0) / 10,
    }));
    return { level, zones: zonesOf(level), rows };
  });
  return { timezone: meta.timezone, slots, zones, presence, typicalDay, flows, flowSlots: meta.flowSlots, box: meta.box, basemap: meta.basemap };
}
