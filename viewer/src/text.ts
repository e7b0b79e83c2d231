/** Numbers and times as people read them, and a small DOM builder that only ever writes text. */

import type { Slot, Zones } from "./data.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

export function count(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",") : "–";
}

export function interval(lower: number, upper: number): string {
  return `${count(lower)} to ${count(upper)}`;
}

export const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 16);
export const dayName = (ms: number): string => DAYS[new Date(ms).getUTCDay()] ?? "";
export const dayShort = (ms: number): string => `${dayName(ms).slice(0, 3)} ${new Date(ms).getUTCDate()} ${(MONTHS[new Date(ms).getUTCMonth()] ?? "").slice(0, 3)}`;

export function slotLabel(slot: Slot): string {
  const day = new Date(slot.wall);
  if (slot.typical) return `Typical day, ${clock(slot.wall)}–${clock(slot.end)}`;
  return `${dayName(slot.wall)} ${day.getUTCDate()} ${MONTHS[day.getUTCMonth()] ?? ""}, ${clock(slot.wall)}–${clock(slot.end)}`;
}

/** A cell as its H3 text without the filler digits at its end. */
export const shortCell = (cell: string): string => cell.replace(/f+$/, "");

export const zoneName = (zones: Zones, i: number): string => [zones.names[i], shortCell(zones.cells[i] ?? "")].filter(Boolean).join(" · ");

export const fullName = (zones: Zones, i: number): string => [zones.groups[i], shortCell(zones.cells[i] ?? "")].filter(Boolean).join(" · ");

/** What sensitive places take out of a cell, if it is a per cent or more. */
export const leftOut = (zones: Zones, i: number): string[] =>
  zones.cut[i] ? [`About ${zones.cut[i]} % of this area lies around sensitive places: nobody there is counted`] : [];

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | ((event: never) => void)>;

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as unknown as EventListener);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((c): c is Node | string => c !== null));
  return element;
}

export function s(tag: string, attributes: Record<string, string | number> = {}, ...children: (Node | string)[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}
