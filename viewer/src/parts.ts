/** Pieces of the panel and the legend that depend on nothing but what they are given. */

import type { Zones } from "./data.js";
import type { Model, Zone } from "./model.js";
import { palette, type Theme } from "./scale.js";
import { count, fullName, h, interval, leftOut, zoneName } from "./text.js";

/** The list of areas by place, the most present first. */
export function zoneOptions(model: Model, zones: Zones): HTMLElement[] {
  const groups = new Map<string, { index: number; mean: number }[]>();
  for (let index = 0; index < zones.count; index++) {
    const group = zones.groups[index] || "Areas";
    const list = groups.get(group) ?? [];
    groups.set(group, list);
    list.push({ index, mean: model.mean({ level: zones.level, index }) || 0 });
  }
  const option = ({ index, mean }: { index: number; mean: number }): HTMLElement =>
    h("option", { value: `${zones.level}:${index}` }, `${zoneName(zones, index)} – ${mean ? `${count(mean)} on average` : "withheld"}`);
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, list]) => h("optgroup", { label }, ...list.sort((a, b) => b.mean - a.mean).map(option)));
}

/** Classes, and what hatching means where there is any. */
export function legend(zones: Zones, limits: number[], theme: Theme, own: boolean, coarse: boolean, none: boolean): (Node | string)[] {
  const colors = palette(theme);
  const text = (k: number): string => (k === 0 ? `< ${count(limits[0] ?? 0)}` : k === colors.length - 1 ? `${count(limits[k - 1] ?? 0)} +` : count(limits[k - 1] ?? 0));
  const ramp = h("div", { class: "ramp" }, ...colors.map((color, k) => {
    const swatch = h("i");
    swatch.style.background = color;
    return h("span", {}, swatch, text(k));
  }));
  const km2 = zones.areaKm2 < 10 ? zones.areaKm2.toFixed(1) : count(zones.areaKm2);
  const some = coarse || own;
  return [
    h("p", { class: "legend-title" }, some ? `Devices present, by area of about ${km2} km² (r${zones.level})` : "No figure is published for this slot"),
    some ? ramp : "",
    coarse ? h("span", { class: "key" }, h("i", { class: "hatch coarse" }), "withheld; average of the larger area") : "",
    none ? h("span", { class: "key" }, h("i", { class: "hatch none" }), "withheld") : "",
  ];
}

/** The figure of a zone in a slot, with its interval, or that of the larger area around it. */
export function figure(model: Model, zone: Zone, slot: number): HTMLElement[] {
  const zones = model.zones(zone.level);
  const shown = model.shown(zone, slot, "auto");
  const name = h("p", { class: "quiet-text" }, zones ? `${fullName(zones, zone.index)} (r${zone.level})` : "");
  const cut = (zones ? leftOut(zones, zone.index) : []).map((text) => h("p", { class: "quiet-text" }, text));
  if (shown.level === null) return [h("p", { class: "big" }, "withheld"), name, ...cut];
  const whose = shown.level === zone.level ? "" : ` in the larger area (r${shown.level}); this one is withheld`;
  return [h("p", { class: "big" }, count(shown.devices), h("small", {}, ` devices${whose}`)), h("p", {}, `90 % interval ${interval(shown.lower, shown.upper)}`), name, ...cut];
}
