/** Geometry that the map draws: cells a little apart, hatching inside a cell, bent flow lines. All in degrees. */

import type { Zones } from "./data.js";

export type Point = [number, number];

/** A cell drawn a little smaller than it is, so that neighbours stay apart. */
export function shrunk(zones: Zones, i: number, factor: number): Point[] {
  const [x, y] = [zones.lon[i] ?? 0, zones.lat[i] ?? 0];
  return (zones.rings[i] ?? []).map(([a, b]) => [x + (a - x) * factor, y + (b - y) * factor]);
}

/** Diagonal strokes inside a convex cell. */
export function hatching(ring: Point[], strokes: number): [Point, Point][] {
  const lat = ring[0]?.[1] ?? 0;
  const k = Math.cos((lat * Math.PI) / 180);
  const along = ring.map(([x, y]) => x * k - y);
  const [low, high] = [Math.min(...along), Math.max(...along)];
  const out: [Point, Point][] = [];
  for (let n = 1; n <= strokes; n++) {
    const c = low + ((high - low) * n) / (strokes + 1);
    const hits: Point[] = [];
    ring.forEach((a, i) => {
      const b = ring[(i + 1) % ring.length] ?? a;
      const [u, v] = [along[i] ?? 0, along[(i + 1) % ring.length] ?? 0];
      if (u < c !== v < c) {
        const t = (c - u) / (v - u);
        hits.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
      }
    });
    if (hits[0] && hits[1]) out.push([hits[0], hits[1]]);
  }
  return out;
}

/** A line from a to b that bends to the right as it travels, so that both directions of a pair can be seen. */
export function bend(a: Point, b: Point, pieces = 28): Point[] {
  const k = Math.cos((((a[1] + b[1]) / 2) * Math.PI) / 180);
  const [dx, dy] = [(b[0] - a[0]) * k, b[1] - a[1]];
  const middle: Point = [(a[0] + b[0]) / 2 + (dy * 0.2) / k, (a[1] + b[1]) / 2 - dx * 0.2];
  return Array.from({ length: pieces + 1 }, (_, i): Point => {
    const t = i / pieces;
    const [p, q, r] = [(1 - t) ** 2, 2 * t * (1 - t), t * t];
    return [p * a[0] + q * middle[0] + r * b[0], p * a[1] + q * middle[1] + r * b[1]];
  });
}
