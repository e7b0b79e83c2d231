"""A chart of a report of end_to_end.py: pings a second of every method, on a logarithmic axis, with the machine named. Colours follow the reader's theme."""

from __future__ import annotations

import math
from html import escape
from typing import Any

__all__ = ["chart"]

LEFT, WIDTH, ROW, TOP = 250, 430, 30, 46
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.q{font-size:11px;fill:#52606d}.h{font-size:15px;font-weight:600}"
    ".g{stroke:#d9e2ec}.o{fill:#1e6fa8}.p{fill:#9fb3c8}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.q{fill:#a3b1bf}.g{stroke:#3a4753}.o{fill:#56a8df}.p{fill:#5b6f82}}"
)


def chart(report: dict[str, Any]) -> str:
    """The chart as SVG."""
    rows = [r for r in report["results"] if r["status"] == "measured"]
    low, high = (f(math.log10(max(r["pings_per_s"], 1)) for r in rows) for f in (min, max))
    low, high = math.floor(low), math.ceil(high)
    foot = TOP + ROW * len(rows)
    where = report["machine"]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {foot + 62}" role="img" aria-label="Pings a second by method">',
        f"<style>{STYLE}</style>",
        '<text class="h" x="12" y="22">Pings a second, more is better (each line is ten times the one before)</text>',
    ]
    for power in range(low, high + 1):
        x = _x(power, low, high)
        out.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{foot}"/><text class="q" x="{x:.1f}" y="{foot + 15}">{10**power:,}</text>')
    for n, r in enumerate(rows):
        y = TOP + ROW * n
        length = _x(math.log10(max(r["pings_per_s"], 1)), low, high) - LEFT
        kind = "o" if r["method"].startswith("flockwise") else "p"
        out += [
            f'<text x="12" y="{y + 12}">{escape(r["method"])}</text>',
            f'<text class="q" x="12" y="{y + 25}">{r["pings"] / 1e6:,.1f} million pings, {r["wall_s"]:,.1f} s, {r["peak_mb"] / 1000:.1f} GB</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(length, 1):.1f}" height="18" rx="2"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{r["pings_per_s"]:,}</text>',
        ]
    notes = (
        "Ours: whole processes, raw Parquet to published folder. The floor and DuckDB: all in memory, no pseudonyms, no store, no privacy."
        + (" Peers: stays alone, on a sample." if any("trackintel" in r["method"] or "mobility" in r["method"] for r in rows) else ""),
        f"{where['cpu']}, {where['cpus']} cores, {where['memory_gb']} GB, load {where['load_1min']} at the start. bench/end_to_end.py",
    )
    out += [f'<text class="q" x="12" y="{foot + 34 + 17 * n}">{escape(note)}</text>' for n, note in enumerate(notes)]
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _x(power: float, low: int, high: int) -> float:
    return LEFT + WIDTH * (power - low) / max(1, high - low)
