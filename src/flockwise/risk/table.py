"""The published table: one row a figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["COLUMNS", "Row", "to_csv"]


class Row(NamedTuple):
    """A figure and its interval.

    Attributes:
        figure: "singled_out", "in_small_sets", "place_sets", "points" or "devices".
        level: H3 resolution, if the figure has one.
        time: "hour" or "day", if it has one.
        places: how many top places make a set.
        groups: number of groups that it was measured in.
        points: how many random points are known.
        bin: which sizes or numbers are counted.
        unit: what `value` counts.
        value: the estimate; None where too little is known to say.
        lower: lower end of the 90 % interval, over the noise.
        upper: upper end.
        noise_sd: standard deviation of the noise in `value`.
    """

    figure: str
    level: int | None
    time: str | None
    places: int | None
    groups: int | None
    points: int | None
    bin: str | None
    unit: str
    value: float | None
    lower: float | None
    upper: float | None
    noise_sd: float | None


COLUMNS = Row._fields


def to_csv(rows: Iterable[Row]) -> bytes:
    """The rows as CSV in UTF-8 with a header; empty where there is nothing; six significant digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else "" if v is None else v for v in row] for row in rows)
    return out.getvalue().encode()
