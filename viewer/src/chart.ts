/** A time series with its 90 % interval, drawn as SVG. */

import type { Slot } from "./data.js";
import { clock, count, dayName, dayShort, interval, s, slotLabel } from "./text.js";

export interface Series {
  devices: ArrayLike<number>;
  lower: ArrayLike<number>;
  upper: ArrayLike<number>;
}

const DAY = 86_400_000;
const TOP = 14;
const BOTTOM = 30;
const LEFT = 52;
const RIGHT = 10;

export class Chart {
  readonly svg = s("svg", { class: "chart", role: "img" }) as SVGSVGElement;
  private series: Series = { devices: [], lower: [], upper: [] };
  private title = "";
  private slot = 0;
  private readonly cursor = s("g", { class: "cursor" });
  private x = (_: number): number => 0;
  private y = (_: number): number => 0;
  private width = 0;

  constructor(
    private slots: Slot[],
    private readonly height: number,
    onSeek: (slot: number) => void,
  ) {
    new ResizeObserver(() => this.draw()).observe(this.svg);
    const seek = (event: PointerEvent): void => {
      if (event.type === "pointermove" && !event.buttons) return;
      const ratio = (event.clientX - this.svg.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
      onSeek(Math.max(0, Math.min(this.slots.length - 1, Math.floor(ratio * this.slots.length))));
    };
    this.svg.addEventListener("pointerdown", seek);
    this.svg.addEventListener("pointermove", seek);
  }

  /** Other slots, and their figures. */
  span(slots: Slot[], series: Series, title: string): void {
    this.slots = slots;
    this.show(series, title);
  }

  show(series: Series, title: string): void {
    this.series = series;
    this.title = title;
    this.draw();
  }

  at(slot: number): void {
    this.slot = slot;
    this.drawCursor();
  }

  private draw(): void {
    const width = this.svg.clientWidth;
    const n = this.slots.length;
    if (!width || !n) return;
    this.width = width;
    const { devices, lower, upper } = this.series;
    let top = 0;
    for (let i = 0; i < n; i++) top = Math.max(top, devices[i] || 0, upper[i] || 0);
    const step = Math.max(1, niceStep((top || 1) / 4));
    const limit = Math.ceil((top || 1) / step) * step;
    const inner = this.height - TOP - BOTTOM;
    this.x = (i) => LEFT + ((i + 0.5) / n) * (width - LEFT - RIGHT);
    this.y = (v) => TOP + inner * (1 - v / limit);
    const edge = (i: number): number => LEFT + (i / n) * (width - LEFT - RIGHT);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.svg.setAttribute("height", String(this.height));
    this.svg.setAttribute("aria-label", this.title);
    const parts: SVGElement[] = [];
    const days = this.slots[0]?.typical ? [] : this.days();
    this.slots.forEach((slot, i) => {
      if (slot.typical && slot.wall % (DAY / 4) === 0) parts.push(s("text", { class: "tick", x: edge(i), y: this.height - 8, "text-anchor": i ? "middle" : "start" }, clock(slot.wall)));
    });
    const perDay = (width - LEFT - RIGHT) / Math.max(1, days.length);
    days.forEach(({ from, to, wall }, k) => {
      const weekend = [0, 6].includes(new Date(wall).getUTCDay());
      if (weekend) parts.push(s("rect", { class: "weekend", x: edge(from), y: TOP, width: edge(to) - edge(from), height: inner }));
      if (k) parts.push(s("line", { class: "day", x1: edge(from), x2: edge(from), y1: TOP, y2: this.height - BOTTOM + 6 }));
      const label = perDay > 78 ? dayShort(wall) : perDay > 30 ? dayName(wall).slice(0, 3) : perDay > 12 ? dayName(wall).slice(0, 1) : k % 7 ? "" : dayShort(wall);
      parts.push(s("text", { class: "tick", x: (edge(from) + edge(to)) / 2, y: this.height - 8, "text-anchor": "middle" }, label));
    });
    for (let v = 0; v <= limit + step / 2; v += step) {
      parts.push(s("line", { class: v ? "grid" : "base", x1: LEFT, x2: width - RIGHT, y1: this.y(v), y2: this.y(v) }));
      parts.push(s("text", { class: "tick", x: LEFT - 8, y: this.y(v) + 4, "text-anchor": "end" }, count(v)));
    }
    for (const [from, to] of runs(n, (i) => Number.isFinite(lower[i]) && Number.isFinite(upper[i]))) {
      const up = range(from, to).map((i) => `${this.x(i).toFixed(1)},${this.y(upper[i] ?? 0).toFixed(1)}`);
      const down = range(from, to).reverse().map((i) => `${this.x(i).toFixed(1)},${this.y(lower[i] ?? 0).toFixed(1)}`);
      parts.push(s("polygon", { class: "band", points: [...up, ...down].join(" ") }));
    }
    for (const [from, to] of runs(n, (i) => Number.isFinite(devices[i]))) {
      if (to - from === 1) parts.push(s("circle", { class: "dot", cx: this.x(from), cy: this.y(devices[from] ?? 0), r: 1.6 }));
      else parts.push(s("polyline", { class: "line", points: range(from, to).map((i) => `${this.x(i).toFixed(1)},${this.y(devices[i] ?? 0).toFixed(1)}`).join(" ") }));
    }
    this.svg.replaceChildren(s("title", {}, this.title), ...parts, this.cursor);
    this.drawCursor();
  }

  private drawCursor(): void {
    const slot = this.slots[this.slot];
    if (!this.width || !slot) return;
    const value = this.series.devices[this.slot] ?? Number.NaN;
    const x = this.x(this.slot);
    const parts: SVGElement[] = [s("line", { x1: x, x2: x, y1: TOP, y2: this.height - BOTTOM })];
    if (Number.isFinite(value)) {
      const right = x > this.width - 130;
      parts.push(s("circle", { cx: x, cy: this.y(value), r: 4 }));
      parts.push(s("text", { x: right ? x - 8 : x + 8, y: TOP + 8, "text-anchor": right ? "end" : "start" }, `${count(value)} at ${clock(slot.wall)}`));
    }
    this.cursor.replaceChildren(...parts);
  }

  /** What the chart says, in a sentence. */
  describe(slot: number): string {
    const { devices, lower, upper } = this.series;
    const at = this.slots[slot];
    if (!at) return "";
    const value = devices[slot] ?? Number.NaN;
    if (!Number.isFinite(value)) return `${slotLabel(at)}: withheld`;
    const band = Number.isFinite(lower[slot]) ? `, 90 % interval ${interval(lower[slot] ?? 0, upper[slot] ?? 0)}` : "";
    return `${slotLabel(at)}: ${count(value)} devices${band}`;
  }

  private days(): { from: number; to: number; wall: number }[] {
    const out: { from: number; to: number; wall: number }[] = [];
    this.slots.forEach((slot, i) => {
      const day = Math.floor(slot.wall / DAY) * DAY;
      const last = out.at(-1);
      if (last && last.wall === day) last.to = i + 1;
      else out.push({ from: i, to: i + 1, wall: day });
    });
    return out;
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function runs(n: number, test: (i: number) => boolean): [number, number][] {
  const out: [number, number][] = [];
  let from = -1;
  for (let i = 0; i <= n; i++) {
    const on = i < n && test(i);
    if (on && from < 0) from = i;
    if (!on && from >= 0) {
      out.push([from, i]);
      from = -1;
    }
  }
  return out;
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((v) => v >= rough) ?? power * 10;
}
