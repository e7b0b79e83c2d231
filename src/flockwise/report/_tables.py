"""The page's tables, as HTML text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise.report._payload import Names, wall_minutes
from flockwise.report._read import Artifact

__all__ = ["day_table", "flow_table", "hours_table", "levels_table", "number", "peak", "percent", "zones_table"]

Floats = npt.NDArray[np.float64]
_KINDS = {"presence": "Present population", "typical_day": "Typical day", "flows": "Trips between areas"}


def number(value: object) -> str:
    """A number as people read it: whole with thousands separators from 100 on, two figures below."""
    if not isinstance(value, (int, float)) or not np.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.1f}"


def percent(share: float) -> str:
    """A share in percent, one decimal below ten."""
    return f"{100 * share:.0f} %" if 0.1 <= share < 0.995 or share in (0, 1) else f"{100 * share:.1f} %"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1, kind: str = "") -> str:
    """An HTML table whose first `texts` columns are text and whose others are numbers."""

    def cell(tag: str, i: int, text: str, scope: str = "") -> str:
        return f"<{tag}{scope}{'' if i < texts else ' class=number'}>{escape(text)}</{tag}>"

    top = "".join(cell("th", i, text, " scope=col") for i, text in enumerate(head))
    lines = []
    for row in rows:
        first, rest = row[0], "".join(cell("td", i + 1, text) for i, text in enumerate(row[1:]))
        lines.append(f"<tr><th scope=row>{escape(first)}</th>{rest}</tr>" if kind else f"<tr><td>{escape(first)}</td>{rest}</tr>")
    name = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table{name}><caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def levels_table(tables: Sequence[Mapping[str, Any]]) -> str:
    """What was published and withheld by table and level, from the certificate."""
    rows = []
    for table in tables:
        total = table.get("rows_public")
        withheld = table.get("withheld")
        share = f" ({percent(withheld / total)})" if isinstance(total, int) and isinstance(withheld, int) and total else ""
        error = table.get("typical_relative_error")
        rows.append(
            (
                f"{_KINDS.get(str(table.get('kind')), str(table.get('name', '')))}",
                f"r{table.get('level', '')}",
                number(total),
                number(table.get("published")),
                number(withheld) + share,
                number(table.get("sigma")),
                number(table.get("threshold")),
                "± " + percent(float(error)) if isinstance(error, (int, float)) else "–",
                str(table.get("interval", "")),
            )
        )
    head = ("Table", "Level", "Public rows", "Published", "Withheld", "Noise σ", "Threshold", "Typical relative error", "Interval")
    return _table("Published and withheld figures by table and level", head, rows)


def _totals(artifact: Artifact) -> tuple[Floats, npt.NDArray[np.int64]] | None:
    """Sum over the coarsest presence level by slot, and how many of its cells are withheld."""
    return _summed(artifact.presence[-1].devices) if artifact.presence else None


def _summed(devices: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    gaps = np.isnan(devices)
    totals: Floats = np.where(gaps.all(axis=0), np.nan, np.nansum(devices, axis=0))
    return totals, np.count_nonzero(gaps, axis=0)


def _wall(artifact: Artifact) -> list[datetime]:
    timezone = str(artifact.certificate.get("window", {}).get("timezone", "UTC"))
    return [datetime.fromtimestamp(60 * int(m), UTC) for m in wall_minutes(artifact.slots, timezone)]


def _busiest(artifact: Artifact) -> int | None:
    found = _totals(artifact)
    if found is None or np.isnan(found[0]).all():
        return None
    return int(np.nanargmax(found[0]))


def peak(artifact: Artifact) -> tuple[str, float] | None:
    """Local time and regional sum of the busiest slot."""
    found, slot = _totals(artifact), _busiest(artifact)
    if found is None or slot is None:
        return None
    wall = _wall(artifact)[slot]
    return f"{wall:%A} {wall.day} {wall:%B}, {wall:%H:%M}", float(found[0][slot])


def hours_table(artifact: Artifact) -> str:
    """Regional sums, time of day by day."""
    found = _totals(artifact)
    if found is None:
        return ""
    totals, missing = found
    walls = _wall(artifact)
    days = sorted({w.date() for w in walls})
    times = sorted({w.time() for w in walls})
    # Twice the same wall time (clocks going back): both figures stand in the cell.
    cells: dict[tuple[object, object], list[str]] = {}
    for wall, total in zip(walls, totals, strict=True):
        text = number(round(float(total))) if np.isfinite(total) else "–"
        cells.setdefault((wall.date(), wall.time()), []).append(text)
    rows = [[f"{t:%H:%M}", *(" / ".join(cells.get((d, t), ["–"])) for d in days)] for t in times]
    table = _table("Devices present in the whole region, by hour and day", ["Time", *(f"{d:%a} {d.day} {d:%b}" for d in days)], rows, kind="hours")
    return table + _sum_note(artifact.presence[-1].level, missing, artifact.presence[-1].devices.shape[0])


def day_table(artifact: Artifact) -> str:
    """Regional sums of the typical day, by slot of the day."""
    coarsest = artifact.typical_day[-1]
    totals, missing = _summed(coarsest.devices)
    rows = [[label.replace("-", "–"), number(round(float(t))) if np.isfinite(t) else "–"] for label, t in zip(artifact.day_slots, totals, strict=True)]
    table = _table("Devices present in the whole region on the typical day", ["Time", "Mean over the days of the window"], rows, kind="hours")
    return table + _sum_note(coarsest.level, missing, coarsest.devices.shape[0])


def _sum_note(level: int, missing: npt.NDArray[np.int64], areas: int) -> str:
    most = int(missing.max())
    gaps = f" Up to {most} of {areas} areas are withheld in a slot and are not in the sum." if most else ""
    return f'<p class="note">Sum of the r{level} areas that have a figure. A sum over areas has no interval of its own here.{gaps}</p>'


def _name(names: Names, level: int, index: int, cell: str) -> str:
    place = ", ".join(part for part in names[level][index] if part)
    return f"{place} · {cell}" if place else cell


def zones_table(artifact: Artifact, names: Names, most: int = 30) -> str:
    """The largest coarse areas at the busiest slot, with their intervals."""
    slot = _busiest(artifact)
    if slot is None:
        return '<p class="note">Every coarse area is withheld.</p>'
    presence = artifact.presence[-1]
    cells = next(z.cells for z in artifact.zones if z.level == presence.level)
    column = presence.devices[:, slot]
    order = [int(i) for i in np.argsort(-np.nan_to_num(column, nan=-1.0), kind="stable")[:most] if np.isfinite(column[i])]
    rows = [
        (_name(names, presence.level, i, cells[i]), number(round(float(column[i]))), _interval(presence.lower[i, slot], presence.upper[i, slot])) for i in order
    ]
    wall = _wall(artifact)[slot]
    return _table(f"Largest areas on {wall:%A} at {wall:%H:%M}", ("Area", "Devices", "90 % interval"), rows)


def _interval(lower: float, upper: float) -> str:
    return f"{number(round(float(lower)))} to {number(round(float(upper)))}"


def flow_table(artifact: Artifact, names: Names, most: int = 30) -> str:
    """The largest coarse flows between different areas, with their intervals."""
    flows = artifact.flows[-1]
    cells = next(z.cells for z in artifact.zones if z.level == flows.level)
    order = [int(i) for i in np.argsort(-flows.trips, kind="stable") if flows.origin[i] != flows.destination[i]][:most]
    rows = [
        (
            _name(names, flows.level, int(flows.origin[i]), cells[flows.origin[i]]),
            _name(names, flows.level, int(flows.destination[i]), cells[flows.destination[i]]),
            artifact.flow_slots.get(int(flows.slot[i]), "").replace("-", "–"),
            number(round(float(flows.trips[i]))),
            _interval(flows.lower[i], flows.upper[i]),
        )
        for i in order
    ]
    return _table("Largest flows between areas", ("From", "To", "Departure", "Trips in the window", "90 % interval"), rows, texts=3)
