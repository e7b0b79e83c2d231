"""The plots of the page: SVG without scripts, readable in light and dark, by keyboard and by screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flockwise.risk.table import Row

__all__ = ["count", "curves", "percent", "place_label", "points_bars", "small_sets", "view_label"]

AREAS_KM2 = (4_357_449, 609_788, 86_802, 12_393, 1_770, 253, 36, 5)
"""Mean area of a cell by H3 resolution, 0 to 7. Source: H3's table of cell statistics."""

WIDTH, HEIGHT = 470, 300
LEFT, RIGHT, TOP, BOTTOM = 40, 112, 14, 40


def percent(share: float | None) -> str:
    """A share in words."""
    return "not known" if share is None else f"{100 * share:.1f} %"


def count(value: float | None) -> str:
    """A number in words."""
    return "not known" if value is None else f"{round(value):,}"


def _short(share: float | None) -> str:
    # Eight of them stand side by side.
    return "" if share is None else f"{100 * share:.0f}" if 0.01 <= share <= 0.985 else f"{100 * share:.1f}"


def view_label(row: Row) -> str:
    """Resolution in space and time."""
    return f"{_area(row)}, {row.time}"


def place_label(row: Row) -> str:
    """Number of places and their resolution."""
    return f"top {row.places} place{'s' if row.places != 1 else ''} of {_area(row)}"


def _area(row: Row) -> str:
    return f"{AREAS_KM2[row.level or 0]:,} km²"


def curves(rows: Sequence[Row], title: str) -> str:
    """Share singled out by the number of known points, one line a resolution, with its 90 % band.

    Args:
        rows: "singled_out" of one size of group.
        title: what a screen reader says first.
    """
    views = list(dict.fromkeys((r.level, r.time) for r in rows))
    parts, ends = [], []
    for style, view in enumerate(views):
        line = [r for r in rows if (r.level, r.time) == view and r.value is not None and r.lower is not None and r.upper is not None and r.points]
        label = view_label(line[0])
        upper = [f"{_x(r.points or 0):.1f},{_y(r.upper or 0.0):.1f}" for r in line]
        lower = [f"{_x(r.points or 0):.1f},{_y(r.lower or 0.0):.1f}" for r in reversed(line)]
        middle = [(_x(r.points or 0), _y(r.value or 0.0)) for r in line]
        said = "; ".join(f"{r.points}: {percent(r.value)} ({percent(r.lower)} to {percent(r.upper)})" for r in line)
        marks = "".join(_mark(style, x, y) for x, y in middle)
        values = "".join(f'<text x="{x:.1f}" y="{max(TOP + 4.0, y - 10):.1f}">{_short(r.value)}</text>' for (x, y), r in zip(middle, line, strict=True))
        parts.append(
            f'<g class="curve c{style}" tabindex="0" role="img" aria-label="{escape(label)}. Share singled out by number of points: {escape(said)}">'
            f'<polygon class="band" points="{" ".join(upper + lower)}"/>'
            f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in middle)}"/>{marks}<g class="values">{values}</g></g>'
        )
        ends.append((middle[-1][1], style, label))
    labels = "".join(f'<text class="end c{style}" x="{WIDTH - RIGHT + 12}" y="{y + 4:.1f}">{escape(label)}</text>' for y, style, label in _apart(ends))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="plot" role="group" aria-label="{escape(title)}">{_grid()}{"".join(parts)}'
        f'<g aria-hidden="true">{labels}</g></svg>'
    )


def _x(points: int) -> float:
    return LEFT + (points - 1) * (WIDTH - LEFT - RIGHT) / 7


def _y(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _grid() -> str:
    lines = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(s / 4):.1f}" y2="{_y(s / 4):.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{_y(s / 4) + 4:.1f}">{25 * s} %</text>'
        for s in range(5)
    )
    ticks = "".join(f'<text class="tick" text-anchor="middle" x="{_x(k):.1f}" y="{HEIGHT - BOTTOM + 18}">{k}</text>' for k in range(1, 9))
    name = f'<text class="tick" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 4}">random points that somebody knows</text>'
    return f'<g aria-hidden="true">{lines}{ticks}{name}</g>'


def _mark(style: int, x: float, y: float) -> str:
    if style == 0:
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>'
    if style == 1:
        return f'<rect class="mark" x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"/>'
    shift = 4.6 if style == 2 else -4.6
    return f'<polygon class="mark" points="{x:.1f},{y - shift:.1f} {x - 4.2:.1f},{y + shift * 0.7:.1f} {x + 4.2:.1f},{y + shift * 0.7:.1f}"/>'


def _apart(ends: Sequence[tuple[float, int, str]], least: float = 16.0) -> list[tuple[float, int, str]]:
    """Labels in order, moved down, and up from the lower edge, so that none covers another."""
    placed: list[tuple[float, int, str]] = []
    for y, style, label in sorted(ends):
        placed.append((max(y, placed[-1][0] + least) if placed else max(y, TOP + 2.0), style, label))
    limit = HEIGHT - BOTTOM - 2.0
    for i in range(len(placed) - 1, -1, -1):
        y, style, label = placed[i]
        placed[i] = (min(y, limit), style, label)
        limit = placed[i][0] - least
    return placed


def small_sets(rows: Sequence[Row]) -> str:
    """Shares of devices in small sets: a dot and its 90 % interval for each number of places, resolution and size of set.

    Args:
        rows: "in_small_sets".
    """
    kinds = list(dict.fromkeys((r.level, r.places) for r in rows))
    names = {"1": "alone", "1-4": "fewer than 5", "1-9": "fewer than 10"}
    left, right, width, step = 168, 60, 560, 56
    height = step * len(kinds) + 40
    span = width - left - right
    parts = [f'<line class="grid" x1="{left + span * s / 4:.1f}" x2="{left + span * s / 4:.1f}" y1="6" y2="{height - 30}"/>' for s in range(5)]
    parts += [f'<text class="tick" text-anchor="middle" x="{left + span * s / 4:.1f}" y="{height - 12}">{25 * s} %</text>' for s in range(5)]
    for n, kind in enumerate(kinds):
        found = [r for r in rows if (r.level, r.places) == kind]
        parts.append(f'<text class="name" x="0" y="{n * step + 22}">{escape(place_label(found[0]))}</text>')
        for i, row in enumerate(found):
            y = n * step + 18 + 14 * i
            if row.value is None or row.lower is None or row.upper is None:
                parts.append(f'<text class="tick" x="{left}" y="{y + 4}">not known</text>')
                continue
            a, b, x = (left + span * v for v in (row.lower, row.upper, row.value))
            said = f"{names[row.bin or '1']}: {percent(row.value)}"
            side = ("end", a - 8) if row.value > 0.62 else ("start", b + 8)
            parts.append(
                f'<g class="c{i}"><line class="span" x1="{a:.1f}" x2="{max(b, a + 1):.1f}" y1="{y}" y2="{y}"/>{_mark(i, x, y)}'
                f'<text class="value" text-anchor="{side[0]}" x="{side[1]:.1f}" y="{y + 4}">{escape(said)}</text></g>'
            )
    said = "; ".join(f"{place_label(r)}, {names[r.bin or '1']}: {percent(r.value)} ({percent(r.lower)} to {percent(r.upper)})" for r in rows)
    return f'<svg viewBox="0 0 {width} {height}" class="plot" role="img" aria-label="Devices in small sets. {escape(said)}">{"".join(parts)}</svg>'


def points_bars(rows: Sequence[Row]) -> str:
    """Devices by their number of points: bars with 90 % intervals.

    Args:
        rows: "points".
    """
    width, left, right, step = 560, 74, 96, 26
    height = step * len(rows) + 8
    most = max([r.upper for r in rows if r.upper] or [1.0])
    span = width - left - right
    parts = []
    for n, row in enumerate(rows):
        if row.value is None or row.lower is None or row.upper is None:
            continue
        y = n * step + 6
        end, a, b = (left + span * v / most for v in (row.value, row.lower, row.upper))
        parts.append(
            f'<text class="name" text-anchor="end" x="{left - 8}" y="{y + 14}">{escape((row.bin or "").replace("-", "–"))}</text>'
            f'<rect class="bar" x="{left}" y="{y}" width="{max(0.0, end - left):.1f}" height="{step - 8}"/>'
            f'<line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{y + (step - 8) / 2}" y2="{y + (step - 8) / 2}"/>'
            f'<text class="value" x="{max(b, end) + 8:.1f}" y="{y + 14}">{count(row.value)}</text>'
        )
    said = "; ".join(f"{r.bin}: {count(r.value)}" for r in rows)
    return f'<svg viewBox="0 0 {width} {height}" class="plot" role="img" aria-label="Devices by number of points. {escape(said)}">{"".join(parts)}</svg>'
