"""A chart of a report of end_to_end.py, with the machine named: CPU seconds a million pings, or pings a second. Colours follow the reader's theme."""

from __future__ import annotations

import math
from html import escape
from typing import Any

__all__ = ["chart"]

LEFT, WIDTH, ROW, TOP = 250, 430, 34, 40
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.q{font-size:11px;fill:#52606d}.h{font-size:15px;font-weight:600}.o{fill:#1e6fa8}.p{fill:#9fb3c8}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.q{fill:#a3b1bf}.o{fill:#56a8df}.p{fill:#5b6f82}}"
)


def chart(report: dict[str, Any], by: str = "rate") -> str:
    """The chart as SVG.

    Args:
        report: of end_to_end.py.
        by: "rate": pings a second of every method, on a logarithmic axis; only a machine that does nothing else gives fair ones. "cpu": CPU seconds a million
            pings of the methods that took whole sets, which hold on a busy machine too.
    """
    rows = [r for r in report["results"] if r["status"] == "measured" and (by == "rate" or r["pings"] >= report["set"]["pings"])]
    values = [float(r["pings_per_s"]) if by == "rate" else r["cpu_s"] / r["pings"] * 1e6 for r in rows]
    low = math.floor(math.log10(max(min(values), 1))) if by == "rate" else 0
    lengths = [math.log10(max(v, 1)) - low if by == "rate" else v for v in values]
    title = "Pings a second, more is better (logarithmic)" if by == "rate" else "CPU seconds a million pings, less is better"
    foot, where = TOP + ROW * len(rows), report["machine"]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {foot + 46}" role="img" aria-label="{title}, by method">',
        f"<style>{STYLE}</style>",
        f'<text class="h" x="12" y="22">{title}</text>',
    ]
    for n, (r, value, length) in enumerate(zip(rows, values, lengths, strict=True)):
        y, wide = TOP + ROW * n, WIDTH * length / max(*lengths, 1e-9)
        out += [
            f'<text x="12" y="{y + 12}">{escape(r["method"])}</text>',
            f'<text class="q" x="12" y="{y + 26}">{r["pings"] / 1e6:,.1f} million pings, {r["peak_mb"] / 1000:.1f} GB</text>',
            f'<rect class="{"o" if r["method"].startswith("flockwise") else "p"}" x="{LEFT}" y="{y}" width="{max(wide, 1):.1f}" height="20" rx="2"/>',
            f'<text x="{LEFT + wide + 6:.1f}" y="{y + 15}">{f"{value:,.0f}" if by == "rate" else f"{value:.2f}"}</text>',
        ]
    peers = " Peers: stays alone, on a sample." if any("trackintel" in r["method"] or "mobility" in r["method"] for r in rows) else ""
    notes = (
        f"Ours: raw Parquet to published folder. The floor and DuckDB: all in memory, no pseudonyms, no store, no privacy.{peers}",
        f"{where['cpu']}, {where['cpus']} cores, {where['memory_gb']} GB, load {where['load_1min']} at the start. bench/end_to_end.py",
    )
    out += [f'<text class="q" x="12" y="{foot + 16 + 17 * n}">{escape(note)}</text>' for n, note in enumerate(notes)]
    return "\n".join([*out, "</svg>"]) + "\n"
