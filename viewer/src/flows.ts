/** The panel of origin-destination flows: which slot of the day, how many, and the table of them. */

import type { Flow, Flows, Study } from "./data.js";
import type { Model, Zone } from "./model.js";
import { count, h, interval, zoneName } from "./text.js";

export interface FlowView {
  flows: Flows;
  rows: Flow[];
  widest: number;
  largestWithin: number;
  chosen: Flow | null;
}

const TABLE_ROWS = 50;

/** The largest 1-2-5 number that is not above a value. */
function below(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [5, 2, 1].map((m) => m * power).find((v) => v <= value) ?? 1;
}

export class FlowPanel {
  readonly slots = h("div", { class: "segments", role: "radiogroup", "aria-label": "Time of day" });
  readonly body: HTMLElement;
  readonly key = h("div", { class: "legend" });
  private readonly table = h("tbody");
  private readonly note = h("p", { class: "note" });
  private level: number;
  private slot: number;
  private top = 50;
  private within = false;
  private touching = false;
  private zone: Zone | null = null;
  private chosen: Flow | null = null;

  constructor(
    private readonly study: Study,
    private readonly model: Model,
    private readonly onChange: () => void,
  ) {
    this.level = study.flows[0]?.level ?? 0;
    this.slot = study.flowSlots[Math.min(1, study.flowSlots.length - 1)]?.[0] ?? 0;
    for (const [slot, label] of study.flowSlots) {
      const input = h("input", { type: "radio", name: "flow-slot", value: slot, checked: slot === this.slot, change: () => this.set(() => (this.slot = slot)) });
      this.slots.append(h("label", {}, input, h("span", {}, label.replace("-", "–"))));
    }
    const level = h(
      "select",
      { id: "flow-level", change: (event: Event) => this.set(() => (this.level = Number((event.target as HTMLSelectElement).value))) },
      ...study.flows.map((f) => h("option", { value: f.level }, `r${f.level} (about ${count(f.zones.areaKm2)} km²)`)),
    );
    const top = h(
      "select",
      { id: "flow-top", change: (event: Event) => this.set(() => (this.top = Number((event.target as HTMLSelectElement).value))) },
      ...[10, 25, 50, 100, 250].map((n) => h("option", { value: n, selected: n === this.top }, `the ${n} largest`)),
      h("option", { value: 100_000 }, "all published"),
    );
    const check = (label: string, id: string, act: (on: boolean) => void): HTMLElement =>
      h("label", { class: "check" }, h("input", { type: "checkbox", id, change: (event: Event) => this.set(() => act((event.target as HTMLInputElement).checked)) }), label);
    this.body = h(
      "div",
      { class: "panel-body" },
      h("div", { class: "fields" }, h("label", {}, "Areas", level), h("label", {}, "Show", top)),
      h("div", { class: "checks" }, check("Trips within an area", "flow-within", (on) => (this.within = on)), check("Only those of the chosen area", "flow-touching", (on) => (this.touching = on))),
      this.note,
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Largest flows" },
        h(
          "table",
          { class: "flow-table" },
          h("caption", { class: "hidden" }, "Largest flows with their 90 % intervals"),
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From"), h("th", { scope: "col" }, "To"), h("th", { scope: "col", class: "number" }, "Trips"), h("th", { scope: "col", class: "number" }, "90 % interval"))),
          this.table,
        ),
      ),
    );
  }

  setZone(zone: Zone | null): void {
    this.zone = zone;
    this.chosen = null;
  }

  choose(flow: Flow): void {
    this.set(() => (this.chosen = this.chosen === flow ? null : flow), true);
  }

  current(): Flows | undefined {
    return this.study.flows.find((f) => f.level === this.level);
  }

  view(): FlowView | null {
    const flows = this.current();
    if (!flows) return null;
    const zone = this.touching && this.zone ? this.model.ancestor(this.zone, this.level) : null;
    const fits = (row: Flow): boolean =>
      row.slot === this.slot && (this.within || row.origin !== row.destination) && (!zone || row.origin === zone.index || row.destination === zone.index);
    const all = flows.rows.filter(fits).sort((a, b) => b.trips - a.trips);
    const rows = all.slice(0, this.top);
    const largest = (within: boolean): number => flows.rows.reduce((m, r) => ((r.origin === r.destination) === within ? Math.max(m, r.trips) : m), 1);
    const [widest, largestWithin] = [largest(false), largest(true)];
    this.fill(flows, rows, all.length);
    this.legend(widest);
    return { flows, rows, widest, largestWithin, chosen: this.chosen };
  }

  describe(flow: Flow): [string, string, string] {
    const flows = this.current();
    if (!flows) return ["", "", ""];
    const ends = flow.origin === flow.destination ? `Within ${zoneName(flows.zones, flow.origin)}` : `${zoneName(flows.zones, flow.origin)} → ${zoneName(flows.zones, flow.destination)}`;
    return [ends, `${count(flow.trips)} trips`, `90 % interval ${interval(flow.lower, flow.upper)}`];
  }

  private set(act: () => void, keep = false): void {
    if (!keep) this.chosen = null;
    act();
    this.onChange();
  }

  private fill(flows: Flows, rows: Flow[], all: number): void {
    const label = this.study.flowSlots.find(([slot]) => slot === this.slot)?.[1] ?? "";
    this.note.textContent = all
      ? `${count(rows.length)} of ${count(all)} published pairs, departures ${label.replace("-", "–")}, whole window. Pairs under the threshold are not listed.`
      : "No pair is published for this choice.";
    this.table.replaceChildren(
      ...rows.slice(0, TABLE_ROWS).map((row) => {
        const same = row.origin === row.destination;
        const button = h("button", { type: "button", class: "link", "aria-pressed": String(this.chosen === row), click: () => this.choose(row) }, zoneName(flows.zones, row.origin));
        const line = h("tr", {}, h("td", {}, button), h("td", {}, same ? "the same area" : zoneName(flows.zones, row.destination)), h("td", { class: "number" }, count(row.trips)), h("td", { class: "number" }, interval(row.lower, row.upper)));
        line.classList.toggle("on", this.chosen === row);
        return line;
      }),
    );
  }

  private legend(widest: number): void {
    const steps = [...new Set([widest / 20, widest / 4, widest].map(below))];
    this.key.replaceChildren(
      h("p", { class: "legend-title" }, "Trips of the panel's devices"),
      ...steps.map((v) => {
        const bar = h("i", { class: "stroke" });
        bar.style.height = `${Math.max(1.2, (14 * v) / widest)}px`;
        return h("span", { class: "key" }, bar, count(v));
      }),
      h("p", { class: "legend-note" }, "A line grows stronger towards its destination. Rings: trips within an area."),
    );
  }
}
