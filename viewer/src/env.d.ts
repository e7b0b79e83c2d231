declare module "virtual:maplibre-worker" {
  /** The source of MapLibre's worker as one classic script. */
  const source: string;
  export default source;
}
declare module "*.css";
