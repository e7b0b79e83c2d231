"""Political and social gatherings: places that are cut while something takes place there, and for a margin before and after."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from flockwise.errors import DataError
from flockwise.governance.places.shapes import Shapes, mend
from flockwise.governance.places.tags import GREATEST_BUFFER_M, LEAST_BUFFER_M

__all__ = ["Gatherings", "read_gatherings"]

MOST_BYTES = 64 << 20
LONGEST_DAYS = 31
_NEEDED = ("category", "from", "to")
_MINUTE_US = 60_000_000


@dataclass(frozen=True, eq=False)
class Gatherings:
    """The gatherings of a file.

    Args:
        shapes: where, as points, lines or polygons.
        buffers_m: metres around each.
        times_us: (n, 2) UTC microseconds between which each is cut, margins included; the second left out.
        digest: SHA-256 of the file and the margin.
    """

    shapes: Shapes
    buffers_m: npt.NDArray[np.int64]
    times_us: npt.NDArray[np.int64]
    digest: str

    def __len__(self) -> int:
        return len(self.shapes)


def read_gatherings(path: Path, margin_min: int) -> Gatherings:
    """The gatherings of a CSV file: category, lat and lon or wkt (longitude first), from, to (ISO 8601 with a zone), and if wanted buffer (metres).

    Raises:
        DataError: PLACES_GATHERINGS: the file or one of its lines can't be read. Nothing of it is used then.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _bad(path, "larger than 64 MB")
        raw = path.read_bytes()
        rows = csv.DictReader(raw.decode("utf-8-sig").splitlines(), strict=True)
        head = set(rows.fieldnames or ())
        if not head >= set(_NEEDED) or not (head >= {"lat", "lon"} or "wkt" in head):
            raise _bad(path, f"the columns {', '.join(sorted(head))[:80]}")
        shapes: list[shapely.Geometry | None] = []
        buffers, times = [], []
        for row in rows:
            shape, buffer, begin, end = _line(row)
            shapes.append(shape)
            buffers.append(buffer)
            times.append((begin - margin_min * _MINUTE_US, end + margin_min * _MINUTE_US))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, type(error).__name__) from error
    except (ValueError, TypeError, KeyError, shapely.errors.ShapelyError) as error:
        raise _bad(path, f"line {rows.line_num}: {str(error)[:80]}") from error
    mended, _ = mend(np.array(shapes, object))
    lost = np.flatnonzero(shapely.is_missing(mended))
    if len(lost):
        raise _bad(path, f"gathering {int(lost[0]) + 1}: a place that is not on Earth")
    digest = hashlib.sha256(hashlib.sha256(raw).digest() + str(margin_min).encode()).hexdigest()
    return Gatherings(mended, np.array(buffers, np.int64), np.array(times, np.int64).reshape(-1, 2), digest)


def _line(row: dict[str, str]) -> tuple[shapely.Geometry, int, int, int]:
    if None in row or any(v is None for v in row.values()):
        raise ValueError("too many or too few fields")
    if not row["category"].strip():
        raise ValueError("no category")
    text = (row.get("wkt") or "").strip()
    shape = shapely.from_wkt(text) if text else shapely.Point(float(row["lon"]), float(row["lat"]))
    buffer = int((row.get("buffer") or "").strip() or LEAST_BUFFER_M)
    if not LEAST_BUFFER_M <= buffer <= GREATEST_BUFFER_M:
        raise ValueError(f"a buffer from {LEAST_BUFFER_M} to {GREATEST_BUFFER_M} m is expected")
    begin, end = (_instant(row[name]) for name in ("from", "to"))
    if not 0 < end - begin <= LONGEST_DAYS * 24 * 60 * _MINUTE_US:
        raise ValueError(f"it must end after it begins, within {LONGEST_DAYS} days")
    return shape, buffer, begin, end


def _instant(text: str) -> int:
    value = datetime.fromisoformat(text.strip())
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return round(value.timestamp()) * 1_000_000


def _bad(path: Path, got: str) -> DataError:
    return DataError(
        "PLACES_GATHERINGS",
        what="The file of gatherings can't be used.",
        got=f"{path}: {got}",
        expected="CSV with category, lat and lon or wkt, from and to (ISO 8601 with a zone), and if wanted buffer in metres",
        state="Nothing was read and nothing was published.",
        fix="Correct the file named by [places] gatherings.",
    )
