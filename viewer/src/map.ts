/** The map: MapLibre under deck.gl, no tiles, no glyphs, no requests. */

import type { Layer, PickingInfo } from "@deck.gl/core";
import { LineLayer, PathLayer, ScatterplotLayer, SolidPolygonLayer } from "@deck.gl/layers";
import { MapLibreOverlay } from "@deck.gl/maplibre";
import type { Feature, FeatureCollection } from "geojson";
import { Map as MapLibre, NavigationControl, ScaleControl, setWorkerUrl, type IControl, type StyleSpecification } from "maplibre-gl";
import workerSource from "virtual:maplibre-worker";
import type { Basemap, Flow, Flows, Zones } from "./data.js";
import type { Zone } from "./model.js";
import type { Rgb, Theme } from "./scale.js";
import { bend, hatching, shrunk, type Point } from "./shapes.js";
import { h } from "./text.js";

export interface CellPaint {
  color: Rgb;
  /** "coarse": a larger area's figure; "none": nothing is published. */
  hatch: "own" | "coarse" | "none";
}

export interface Picked {
  zone?: Zone;
  flow?: Flow;
  x: number;
  y: number;
}

const INK: Record<Theme, { water: string; land: string; county: string; state: string; coast: string; hatch: Rgb; choice: Rgb; flow: Rgb; outline: Rgb }> = {
  light: { water: "#dbe5ea", land: "#f5f4f0", county: "#8b979f", state: "#5b6870", coast: "#a3b1b9", hatch: [92, 104, 112], choice: [196, 64, 16], flow: [122, 30, 104], outline: [120, 134, 143] },
  dark: { water: "#0b1218", land: "#1b252d", county: "#5d6c77", state: "#8b9aa5", coast: "#3b4a55", hatch: [150, 164, 174], choice: [255, 176, 92], flow: [244, 150, 214], outline: [92, 108, 120] },
};

export const hasWebGl = (): boolean => {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
};

type Bounds = [number, number, number, number];

/** The rectangle around points, wider by a margin in degrees. */
function around(points: Point[], margin: number): Bounds {
  const [west, south, east, north] = points.reduce<Bounds>(([w, s, e, n], [x, y]) => [Math.min(w, x), Math.min(s, y), Math.max(e, x), Math.max(n, y)], [Infinity, Infinity, -Infinity, -Infinity]);
  return [west - margin, south - margin, east + margin, north + margin];
}

interface Cell {
  index: number;
  ring: Point[];
  strokes: [Point, Point][];
}

export class MapView {
  private readonly map: MapLibre;
  private readonly overlay: MapLibreOverlay;
  private readonly labels = h("div", { class: "map-labels", "aria-hidden": "true" });
  private readonly cells = new Map<number, Cell[]>();
  private cellLayers: Layer[] = [];
  private flowLayers: Layer[] = [];
  private choiceLayers: Layer[] = [];
  private version = 0;
  /** Whether the reader has moved the map: from then on it stays where they left it. */
  private touched = false;
  private goal: Bounds;
  private readonly named = new Map<string, number>();

  constructor(
    container: HTMLElement,
    private readonly basemap: Basemap,
    box: [number, number, number, number],
    private readonly home: Zones,
    private theme: Theme,
    private readonly moving: boolean,
    onHover: (picked: Picked | null) => void,
    onClick: (picked: Picked) => void,
  ) {
    for (const name of home.names) this.named.set(name, (this.named.get(name) ?? 0) + 1);
    this.goal = this.bounds();
    // The fragment makes MapLibre start the worker as a classic script, which a page opened as a file can do.
    setWorkerUrl(`${URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }))}#.cjs`);
    this.map = new MapLibre({
      container,
      style: this.style(),
      bounds: this.bounds(),
      fitBoundsOptions: { padding: 16 },
      maxBounds: box,
      maxZoom: 13,
      attributionControl: false,
      cooperativeGestures: true,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      canvasContextAttributes: { preserveDrawingBuffer: true, antialias: true },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
    this.map.getCanvas().setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom. Choose an area with the list beside the map.");
    this.overlay = new MapLibreOverlay({
      interleaved: true,
      layers: [],
      pickingRadius: 3,
      onHover: (info: PickingInfo) => onHover(this.picked(info)),
      onClick: (info: PickingInfo) => {
        const picked = this.picked(info);
        if (picked) onClick(picked);
      },
      getCursor: ({ isHovering, isDragging }) => (isDragging ? "grabbing" : isHovering ? "pointer" : "grab"),
    });
    container.append(this.labels);
    this.map.on("load", () => {
      this.map.addControl(this.overlay as unknown as IControl);
      this.push();
      this.placeLabels();
      container.dataset["ready"] = "true";
    });
    this.map.on("move", () => this.placeLabels());
    this.map.on("resize", () => {
      if (!this.touched && container.clientWidth > 100 && container.clientHeight > 100) this.map.fitBounds(this.goal, { padding: 16, animate: false });
      this.placeLabels();
    });
    for (const kind of ["movestart", "zoomstart"] as const) this.map.on(kind, (event) => (this.touched ||= Boolean(event.originalEvent)));
  }

  /** Shows the whole region, or the points given; a map that the reader has moved stays unless `force`. */
  fit(points: Point[] | null, force: boolean): void {
    this.goal = points?.length ? around(points, 0.06) : this.bounds();
    if (force) this.touched = false;
    if (!this.touched) this.map.fitBounds(this.goal, { padding: 16, animate: this.moving });
  }

  /** Draws at once, for paper. */
  redraw(): void {
    this.map.redraw();
  }

  /** Where a zone's centre is in the container, in pixels. */
  project(lon: number, lat: number): { x: number; y: number } {
    return this.map.project([lon, lat]);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    const apply = (): void => {
      const ink = INK[theme];
      this.map.setPaintProperty("water", "background-color", ink.water);
      this.map.setPaintProperty("land", "fill-color", ink.land);
      for (const kind of ["county", "state", "coast"] as const) this.map.setPaintProperty(kind, "line-color", ink[kind]);
      this.map.setPaintProperty("country", "line-color", ink.state);
    };
    if (this.map.isStyleLoaded()) apply();
    else this.map.once("load", apply);
  }

  showCells(zones: Zones, paint: CellPaint[]): void {
    const cells = this.cellsOf(zones);
    const ink = INK[this.theme];
    this.version++;
    const strokes = (kind: CellPaint["hatch"], take: number): { line: [Point, Point] }[] =>
      cells.flatMap((cell) => (paint[cell.index]?.hatch === kind ? cell.strokes.filter((_, n) => n % take === 0).map((line) => ({ line })) : []));
    this.cellLayers = [
      new SolidPolygonLayer<Cell>({
        id: `cells-${zones.level}`,
        data: cells,
        getPolygon: (cell) => cell.ring,
        getFillColor: (cell) => [...(paint[cell.index]?.color ?? ink.outline), paint[cell.index]?.hatch === "none" ? 60 : 225],
        updateTriggers: { getFillColor: this.version },
        pickable: true,
        ...this.under(),
      }),
      new LineLayer<{ line: [Point, Point] }>({
        id: "hatch-coarse",
        data: strokes("coarse", 2),
        getSourcePosition: (stroke) => stroke.line[0],
        getTargetPosition: (stroke) => stroke.line[1],
        getColor: [...ink.hatch, 125],
        getWidth: 1,
        ...this.under(),
      }),
      new LineLayer<{ line: [Point, Point] }>({
        id: "hatch-none",
        data: strokes("none", 1),
        getSourcePosition: (stroke) => stroke.line[0],
        getTargetPosition: (stroke) => stroke.line[1],
        getColor: [...ink.hatch, 90],
        getWidth: 1,
        ...this.under(),
      }),
    ];
    this.push();
  }

  hideCells(): void {
    this.cellLayers = [];
    this.push();
  }

  showFlows(flows: Flows, rows: Flow[], widest: number, largestWithin: number, chosen: Flow | null): void {
    const { zones } = flows;
    const ink = INK[this.theme];
    const at = (i: number): Point => [zones.lon[i] ?? 0, zones.lat[i] ?? 0];
    const lines = rows.filter((r) => r.origin !== r.destination).reverse();
    const rings = rows.filter((r) => r.origin === r.destination);
    const color = (row: Flow): Rgb => (chosen === null || chosen === row ? ink.flow : ink.outline);
    const width = (row: Flow): number => Math.max(1.2, (14 * row.trips) / widest);
    this.version++;
    this.flowLayers = [
      new SolidPolygonLayer<Cell>({
        id: `flow-zones-${zones.level}`,
        data: this.cellsOf(zones),
        getPolygon: (cell) => cell.ring,
        getFillColor: [...ink.outline, this.theme === "light" ? 34 : 60],
        updateTriggers: { getFillColor: this.theme },
        pickable: true,
        ...this.under(),
      }),
      new PathLayer<Flow>({
        id: "flow-lines",
        data: lines,
        getPath: (row) => bend(at(row.origin), at(row.destination)),
        getColor: ((row: Flow) => Array.from({ length: 28 }, (_, i) => [...color(row), 40 + (205 * i) / 27])) as never,
        getWidth: width,
        widthUnits: "pixels",
        capRounded: true,
        jointRounded: true,
        updateTriggers: { getColor: this.version, getWidth: this.version },
        pickable: true,
      }),
      new ScatterplotLayer<Flow>({
        id: "flow-ends",
        data: lines,
        getPosition: (row) => at(row.destination),
        getRadius: (row) => Math.max(2.5, width(row) * 0.8),
        radiusUnits: "pixels",
        getFillColor: (row) => [...color(row), 255],
        updateTriggers: { getFillColor: this.version, getRadius: this.version },
      }),
      new ScatterplotLayer<Flow>({
        id: "flow-within",
        data: rings,
        getPosition: (row) => at(row.origin),
        getRadius: (row) => Math.max(3, 20 * Math.sqrt(row.trips / largestWithin)),
        radiusUnits: "pixels",
        stroked: true,
        filled: true,
        lineWidthUnits: "pixels",
        getLineWidth: 1.5,
        getFillColor: (row) => [...color(row), 50],
        getLineColor: (row) => [...color(row), 220],
        updateTriggers: { getFillColor: this.version, getLineColor: this.version, getRadius: this.version },
        pickable: true,
      }),
    ];
    this.push();
  }

  hideFlows(): void {
    this.flowLayers = [];
    this.push();
  }

  showChoice(zones: Zones | undefined, index: number): void {
    const ring = zones ? (zones.rings[index] ?? []) : [];
    const closed = ring[0] ? [...ring, ring[0]] : [];
    this.choiceLayers = closed.length
      ? [
          new PathLayer<{ path: Point[] }>({ id: "choice-halo", data: [{ path: closed }], getPath: (d) => d.path, getColor: this.theme === "light" ? [255, 255, 255, 230] : [8, 12, 16, 230], getWidth: 6, widthUnits: "pixels", jointRounded: true, capRounded: true }),
          new PathLayer<{ path: Point[] }>({ id: "choice", data: [{ path: closed }], getPath: (d) => d.path, getColor: [...INK[this.theme].choice, 255], getWidth: 3, widthUnits: "pixels", jointRounded: true, capRounded: true }),
        ]
      : [];
    this.push();
  }

  private push(): void {
    this.overlay.setProps({ layers: [...this.cellLayers, ...this.flowLayers, ...this.choiceLayers] });
  }

  /** Under the border lines; beforeId is read by MapLibreOverlay and not in deck.gl's types. */
  private under(): object {
    return { beforeId: "county" };
  }

  private cellsOf(zones: Zones): Cell[] {
    let known = this.cells.get(zones.level);
    if (!known) {
      known = Array.from({ length: zones.count }, (_, index): Cell => {
        const ring = shrunk(zones, index, 0.95);
        return { index, ring, strokes: hatching(ring, 4) };
      });
      this.cells.set(zones.level, known);
    }
    return known;
  }

  private picked(info: PickingInfo): Picked | null {
    if (!info.picked || !info.layer) return null;
    const level = Number(/\d+$/.exec(info.layer.id)?.[0]);
    const place = { x: info.x, y: info.y };
    const object = info.object as Cell | Flow;
    if ("ring" in object) return { zone: { level, index: object.index }, ...place };
    return { flow: object, ...place };
  }

  private bounds(): Bounds {
    return around(Array.from(this.home.lon, (x, i): Point => [x, this.home.lat[i] ?? 0]), 0.03);
  }

  private style(): StyleSpecification {
    const ink = INK[this.theme];
    const points = (flat: number[]): Point[] => Array.from({ length: flat.length / 2 }, (_, i) => [(flat[2 * i] ?? 0) / 1e4, (flat[2 * i + 1] ?? 0) / 1e4]);
    const land: FeatureCollection = {
      type: "FeatureCollection",
      features: this.basemap.land.map((flat): Feature => {
        const ring = points(flat);
        return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...ring, ring[0] ?? [0, 0]]] } };
      }),
    };
    const lines = (kind: keyof Basemap["lines"]): FeatureCollection => ({
      type: "FeatureCollection",
      features: [{ type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: this.basemap.lines[kind].map(points) } }],
    });
    const line = (id: keyof Basemap["lines"], color: string, width: number) => ({ id, source: id, type: "line" as const, layout: { "line-join": "round" as const, "line-cap": "round" as const }, paint: { "line-color": color, "line-width": width } });
    const source = (data: FeatureCollection) => ({ type: "geojson" as const, data, tolerance: 0.1 });
    return {
      version: 8,
      sources: { land: source(land), county: source(lines("county")), state: source(lines("state")), country: source(lines("country")), coast: source(lines("coast")) },
      layers: [
        { id: "water", type: "background", paint: { "background-color": ink.water } },
        { id: "land", source: "land", type: "fill", paint: { "fill-color": ink.land } },
        line("county", ink.county, 0.8),
        line("coast", ink.coast, 1),
        line("state", ink.state, 1.4),
        line("country", ink.state, 1.8),
      ],
    };
  }

  /** Names of the largest places that fit without touching each other. */
  private placeLabels(): void {
    const { clientWidth: width, clientHeight: height } = this.labels;
    const taken: [number, number, number, number][] = [];
    const wanted = [...this.basemap.places].sort((a, b) => this.near(b) - this.near(a));
    const out: HTMLElement[] = [];
    for (const [name, lon, lat] of wanted) {
      const { x, y } = this.map.project([lon, lat]);
      const half = name.length * 3.6 + 6;
      if (x < half || y < 12 || x > width - half || y > height - 12) continue;
      const mine: [number, number, number, number] = [x - half, y - 10, x + half, y + 10];
      if (taken.some((t) => t[0] < mine[2] && t[2] > mine[0] && t[1] < mine[3] && t[3] > mine[1])) continue;
      taken.push(mine);
      const label = h("span", {}, name);
      label.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(-50%, -50%)`;
      out.push(label);
      if (out.length >= 40) break;
    }
    this.labels.replaceChildren(...out);
  }

  /** The more cells of the region a place holds, the sooner it gets its label; then the larger. */
  private near([name, , , size]: [string, number, number, number]): number {
    return size + 1000 * (this.named.get(name) ?? 0);
  }
}
