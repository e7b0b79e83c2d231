/** Classes and colours. Both palettes are sequential, told apart in lightness alone, and safe for colour-blind readers. */

export type Rgb = [number, number, number];
export type Theme = "light" | "dark";

// ColorBrewer YlGnBu (Brewer 2003), and the same idea from dark to light for a dark ground.
const PALETTE: Record<Theme, string[]> = {
  light: ["#f4f6c1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#0c2c84"],
  dark: ["#17384f", "#1a5470", "#1e7391", "#2f95a8", "#5cb8b2", "#9bd7bf", "#eaf7d8"],
};

export const rgb = (hex: string): Rgb => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as Rgb;
export const palette = (theme: Theme): string[] => PALETTE[theme];

const STEPS = [1, 2, 5];

/** Six rising 1-2-5 numbers that spread the values over seven classes. */
export function breaks(values: Float32Array): number[] {
  const seen = Array.from(values).filter((v) => Number.isFinite(v) && v > 0).sort((a, b) => a - b);
  if (!seen.length) return [1, 2, 5, 10, 20, 50];
  const at = (q: number): number => seen[Math.min(seen.length - 1, Math.floor(q * seen.length))] ?? 1;
  const rungs: number[] = [];
  for (let power = -1; power < 9; power++) for (const step of STEPS) rungs.push(step * 10 ** power);
  const top = at(0.995);
  let last = rungs.findIndex((r) => r > top) - 1;
  if (last < 5) last = 5;
  return rungs.slice(last - 5, last + 1);
}

export function classOf(value: number, limits: number[]): number {
  let k = 0;
  while (k < limits.length && value >= (limits[k] ?? Infinity)) k++;
  return k;
}
