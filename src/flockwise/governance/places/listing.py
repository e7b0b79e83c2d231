"""The list of sensitive places: a GeoParquet file of categories, buffers and geometries, with what it was made of and who reviewed it. No names."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from flockwise.base.files import write_durably
from flockwise.errors import DataError, RuleError
from flockwise.governance.places.shapes import Shapes
from flockwise.governance.places.tags import GREATEST_BUFFER_M, LEAST_BUFFER_M

__all__ = ["LIST", "Listing", "Review", "Source"]

_FIELDS: list[pa.Field[Any]] = [
    pa.field("category", pa.string(), nullable=False),
    pa.field("buffer_m", pa.int32(), nullable=False),
    pa.field("geometry", pa.binary(), nullable=False),
]
LIST = pa.schema(_FIELDS)
FORMAT = 1
_KEY = b"flockwise_places"
MOST_BYTES = 2 << 30
AT_ONCE = 1 << 16  # values that are hashed together


@dataclass(frozen=True)
class Source:
    """What one source gave. Places are public facts, so these counts are, too.

    Args:
        name: of the file, without its folder.
        sha256: of its bytes.
        read: places that it holds in known categories.
        kept: of them, those near the region.
        mended: geometries that were broken and could be mended.
        refused: geometries that could not.
    """

    name: str
    sha256: str
    read: int
    kept: int
    mended: int
    refused: int


@dataclass(frozen=True)
class Review:
    """That somebody looked at a list and found it current.

    Args:
        day: of the review.
        by: who.
        digest: of the places and the gatherings that were looked at.
        none_in_region: whether it was stated that there is no sensitive place in the region.
    """

    day: date
    by: str
    digest: str
    none_in_region: bool = False


@dataclass(frozen=True, eq=False)
class Listing:
    """A list of places.

    Args:
        table: LIST, sorted, without repeats; geometries are WKB in longitude and latitude (WGS 84).
        sources: what it was made of.
        built: day on which it was built.
        reviews: oldest first.
    """

    table: pa.Table
    sources: tuple[Source, ...] = ()
    built: date = date.min
    reviews: tuple[Review, ...] = ()

    @classmethod
    def of(cls, categories: Iterable[str], buffers_m: npt.ArrayLike, shapes: Shapes, sources: Iterable[Source], built: date) -> Listing:
        """A new list of mended shapes."""
        columns: list[pa.Array[Any]] = [
            pa.array(list(categories), pa.string()),
            pa.array(np.asarray(buffers_m, np.int32)),
            pa.array(shapely.to_wkb(shapes), pa.binary()),
        ]
        table = pa.Table.from_arrays(columns, schema=LIST)
        if table.num_rows:
            # Geometries can't be sorted as they are: their digests can, and equal ones are one place.
            marks = pa.array([hashlib.sha256(v).digest() for v in cast("list[bytes]", table["geometry"].to_pylist())], pa.binary(32))
            table = table.append_column("mark", marks).sort_by([("category", "ascending"), ("mark", "ascending"), ("buffer_m", "descending")])
            same = np.zeros(table.num_rows, np.bool_)
            marked, named = table["mark"].combine_chunks(), table["category"].combine_chunks()
            same[1:] = np.asarray(pc.and_(pc.equal(marked[1:], marked[:-1]), pc.equal(named[1:], named[:-1])))
            table = table.filter(pa.array(~same)).drop_columns(["mark"])
        return cls(table.combine_chunks(), tuple(sources), built)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the places alone: neither sources nor reviews change it."""
        out = hashlib.sha256()
        for name in LIST.names:
            for chunk in self.table[name].chunks:
                for start in range(0, len(chunk), AT_ONCE):
                    out.update(_framed(chunk.slice(start, AT_ONCE)).data)
        return out.hexdigest()

    @cached_property
    def shapes(self) -> Shapes:
        """The geometries, each valid.

        Raises:
            DataError: PLACES_NOT_A_LIST: one is broken.
        """
        try:
            made = cast("Shapes", shapely.from_wkb(self.table["geometry"].to_numpy(zero_copy_only=False)))
            if not shapely.is_valid(made).all():  # false for what is missing
                raise ValueError("a geometry is broken")
        except (ValueError, TypeError, shapely.errors.ShapelyError) as error:
            raise _no_list("a geometry is broken") from error
        return made

    @property
    def buffers_m(self) -> npt.NDArray[np.int32]:
        """Metres, one a place."""
        return self.table["buffer_m"].to_numpy()

    @property
    def categories(self) -> list[str]:
        """Names, one a place."""
        return cast("list[str]", self.table["category"].to_pylist())

    @property
    def counts(self) -> dict[str, int]:
        """Places by category, for those that have any."""
        found = self.table.group_by("category").aggregate([([], "count_all")]).sort_by("category")
        return {str(r["category"]): int(r["count_all"]) for r in found.to_pylist()}

    def reviewed(self, review: Review) -> Listing:
        """The list with one more review."""
        return replace(self, reviews=(*self.reviews, review))

    def write(self, path: Path) -> None:
        """Writes the GeoParquet file, in one step."""
        bounds = shapely.total_bounds(self.shapes) if self.table.num_rows else np.zeros(4)
        kinds = sorted({str(shapely.GeometryType(int(k)).name).title() for k in np.unique(shapely.get_type_id(self.shapes))}) if self.table.num_rows else []
        names = {"Linestring": "LineString", "Multipoint": "MultiPoint", "Multilinestring": "MultiLineString", "Multipolygon": "MultiPolygon"}
        column = {
            "encoding": "WKB",
            "geometry_types": sorted(names.get(k, k.replace("Geometrycollection", "GeometryCollection")) for k in kinds),
            "bbox": [float(v) for v in bounds],
        }
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
        own = {
            "format": FORMAT,
            "built": self.built.isoformat(),
            "sources": [asdict(s) for s in self.sources],
            "reviews": [{**asdict(r), "day": r.day.isoformat()} for r in self.reviews],
        }
        sink = io.BytesIO()
        meta = {b"geo": json.dumps(geo, sort_keys=True).encode(), _KEY: json.dumps(own, sort_keys=True).encode()}
        pq.write_table(self.table.replace_schema_metadata(meta), sink, compression="zstd")
        write_durably(path, sink.getvalue())

    @classmethod
    def read(cls, path: Path) -> Listing:
        """The list in a file.

        Raises:
            RuleError: PLACES_MISSING: there is no such file.
            DataError: PLACES_NOT_A_LIST: it is not one that `flockwise places build` wrote, or is damaged. Geometries are looked at when they are used.
        """
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError("larger than any list")
            with pq.ParquetFile(path) as file:  # `read_table` would import pandas
                table = file.read()
            raw = (table.schema.metadata or {})[_KEY]
            own = json.loads(raw)
            if own["format"] != FORMAT or not table.schema.equals(LIST):
                raise ValueError("another format")
            made = cls(table.replace_schema_metadata(None).combine_chunks(), *_read_own(own))
            buffers = made.buffers_m
            if len(buffers) and not (buffers.min() >= LEAST_BUFFER_M and buffers.max() <= GREATEST_BUFFER_M):
                raise ValueError("a buffer is out of range")
            if any(table[name].null_count for name in LIST.names):
                raise ValueError("a value is missing")
        except FileNotFoundError as error:
            raise RuleError(
                "PLACES_MISSING",
                what="The study's list of sensitive places does not exist.",
                got=str(path),
                state="Nothing was read and nothing was published.",
                fix="Make it with flockwise places build, and have it reviewed.",
            ) from error
        except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
            raise _no_list(f"{path}: {type(error).__name__}") from error
        return made


def _read_own(own: dict[str, Any]) -> tuple[tuple[Source, ...], date, tuple[Review, ...]]:
    sources = tuple(Source(str(s["name"]), str(s["sha256"]), *(int(s[k]) for k in ("read", "kept", "mended", "refused"))) for s in own["sources"])
    reviews = tuple(Review(date.fromisoformat(r["day"]), str(r["by"]), str(r["digest"]), r["none_in_region"] is True) for r in own["reviews"])
    return sources, date.fromisoformat(own["built"]), reviews


def _framed(values: pa.Array[Any]) -> npt.NDArray[np.uint8]:
    """The values one after the other, each as text or bytes after its length in eight bytes, the highest first."""
    texts: Any = values.cast(pa.string()) if pa.types.is_integer(values.type) else values
    raw = texts.cast(pa.large_binary())
    at = np.frombuffer(raw.buffers()[1], np.int64)[raw.offset : raw.offset + len(raw) + 1]
    lengths = np.ascontiguousarray(np.diff(at).astype(">u8")).view(np.uint8)
    heads = (at[:-1] - at[0] + 8 * np.arange(len(raw)))[:, None] + np.arange(8)
    out, body = np.empty(int(at[-1] - at[0]) + 8 * len(raw), np.uint8), np.ones(int(at[-1] - at[0]) + 8 * len(raw), np.bool_)
    body[heads] = False
    out[heads] = lengths.reshape(-1, 8)
    out[body] = np.frombuffer(raw.buffers()[2] or b"", np.uint8)[at[0] : at[-1]]
    return out


def _no_list(got: str) -> DataError:
    return DataError(
        "PLACES_NOT_A_LIST",
        what="The list of sensitive places can't be used.",
        got=got,
        expected="a GeoParquet file that flockwise places build wrote",
        state="Nothing was read and nothing was published.",
        fix="Build it anew with flockwise places build.",
    )
