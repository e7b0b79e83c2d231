"""The plot of expected errors: SVG without scripts, readable in light and dark, by keyboard and by screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from flockwise.forecast.facts import Expected
from flockwise.forecast.variants import Variant

__all__ = ["curves", "percent", "span"]

WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 92, 14, 44
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def percent(share: float | None) -> str:
    """A relative error in words."""
    if share is None:
        return "not known"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:,.0f} %"


def span(found: Expected) -> str | None:
    """Between which relative errors eight releases in ten lie, in words; None where it is not known."""
    return None if found.low is None or found.high is None else f"{percent(found.low)} to {percent(found.high)}"


def curves(table: str, variants: Sequence[Variant], own: float) -> str:
    """Expected error of a table by epsilon, one line a level, both axes in equal steps of proportion; upright lines hold eight releases in ten.

    Args:
        table: which.
        variants: one for each epsilon, rising.
        own: the study's epsilon, marked.
    """
    rows = [{e.level: e for e in v.found if e.table == table and e.relative_error is not None} for v in variants]
    found = {level: [of[level] for of in rows] for level in rows[0]}
    values = {level: [e.relative_error or 0.0 for e in of] for level, of in found.items()}
    all_of = [v for of in found.values() for e in of for v in (e.relative_error, e.low, e.high) if v is not None]
    low = max(t for t in _TICKS if t <= max(min(all_of), _TICKS[0]))
    high = min((t for t in _TICKS if t >= max(all_of)), default=_TICKS[-1])
    low, high = (low, high) if low < high else (low / 2, high)
    xs = [float(v.epsilon) for v in variants]

    def x(epsilon: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(epsilon / xs[0]) / math.log(xs[-1] / xs[0])

    def y(error: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / min(max(error, low), high)) / math.log(high / low)

    parts, ends = [], []
    for style, level in enumerate(values):
        label = f"resolution {level}"
        points = [(x(e), y(v)) for e, v in zip(xs, values[level], strict=True)]
        said = "; ".join(f"epsilon {e:g}: {_said(v)}" for e, v in zip(xs, found[level], strict=True))
        # Beside each other where levels are near.
        spans = "".join(
            f'<line class="span" x1="{x(e) + 4 * style:.1f}" x2="{x(e) + 4 * style:.1f}" y1="{y(v.low):.1f}" y2="{y(v.high):.1f}"/>'
            for e, v in zip(xs, found[level], strict=True)
            if v.low is not None and v.high is not None
        )
        marks = "".join(f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="3.6"/>' for a, b in points)
        texts = "".join(
            f'<text x="{max(a, LEFT + 16):.1f}" y="{max(TOP + 4.0, b - 10):.1f}">{percent(v)}</text>' for (a, b), v in zip(points, values[level], strict=True)
        )
        parts.append(
            f'<g class="curve c{style % 4}" tabindex="0" role="img" aria-label="{escape(label)}. Expected relative error: {escape(said)}">'
            f'<polyline class="line" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>{spans}{marks}<g class="values">{texts}</g></g>'
        )
        ends.append((points[-1][1], style, label))
    labels = "".join(f'<text class="end c{style % 4}" x="{WIDTH - RIGHT + 12}" y="{at + 4:.1f}">{label}</text>' for at, style, label in _apart(ends))
    lines = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y(t) + 4:.1f}">{100 * t:g} %</text>'
        for t in _TICKS
        if low <= t <= high
    )
    steps = "".join(f'<text class="tick" text-anchor="middle" x="{x(e):.1f}" y="{HEIGHT - BOTTOM + 18}">{e:g}</text>' for e in xs)
    mark = f'<line class="whisker" stroke-dasharray="3 3" x1="{x(own):.1f}" x2="{x(own):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
    name = f'<text class="tick" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}">epsilon (the dashed line is this study)</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="plot small" role="group" aria-label="Expected relative error of {escape(table)} by epsilon">'
        f'<g aria-hidden="true">{lines}{steps}{mark}{name}</g>{"".join(parts)}<g aria-hidden="true">{labels}</g></svg>'
    )


def _said(found: Expected) -> str:
    between = span(found)
    return percent(found.relative_error) + (f" ({between})" if between else "")


def _apart(ends: Sequence[tuple[float, int, str]], least: float = 16.0) -> list[tuple[float, int, str]]:
    """Labels in order, moved so that none covers another."""
    placed: list[tuple[float, int, str]] = []
    for at, style, label in sorted(ends):
        placed.append((max(at, placed[-1][0] + least) if placed else at, style, label))
    return placed
