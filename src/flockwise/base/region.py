"""The declared region: a public list of H3 cells, and their ancestors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h3
import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import from_hex, parent, resolution_of
from flockwise.base.plain import cell_number
from flockwise.errors import ConfigError

__all__ = ["Region"]

LARGEST = 1 << 24
"""Cells of a region, at most; of the box around its polygons, before they are made."""


@dataclass(frozen=True, eq=False)
class Region:
    """A sorted list of distinct H3 cells at one resolution: the public domain of every table of a study.

    Args:
        cells: int64 array, sorted, distinct, all at one resolution.
    """

    cells: npt.NDArray[np.int64]

    @classmethod
    def from_cells(cls, texts: Iterable[str], resolution: int) -> Region:
        """The region covered by H3 cells in text form, expressed at `resolution`: coarser cells are opened, finer ones replaced by their ancestor.

        Raises:
            ConfigError: a text is not an H3 cell, or the list is empty.
        """
        out: set[str] = set()
        opened = 0
        for text in texts:
            try:
                cell_number(text)
            except ValueError as error:
                raise ConfigError(
                    "REGION_BAD_CELL",
                    what="The region's list holds something that is not an H3 cell.",
                    got=repr(text)[:40],
                    expected="H3 indexes in hexadecimal, such as 872a1072bffffff",
                    fix="Correct [region] in the study file.",
                ) from error
            own = h3.get_resolution(text)
            opened += 7 ** max(0, resolution - own)
            _check_size(opened)
            if own < resolution:
                out.update(h3.cell_to_children(text, resolution))
            else:
                out.add(h3.cell_to_parent(text, resolution))
        return cls._sorted(out)

    @classmethod
    def from_geojson(cls, source: Path | Mapping[str, Any], resolution: int) -> Region:
        """Every cell that overlaps the polygons of a GeoJSON file or mapping (longitude, latitude; WGS 84).

        Raises:
            ConfigError: the file can't be read or holds no polygon.
        """
        try:
            shapes = _polygons(_load(source))
        except (AttributeError, TypeError, RecursionError) as error:
            raise _bad_polygon(type(error).__name__) from error
        _check_size(sum(_most_cells(shape, resolution) for shape in shapes))
        out: set[str] = set()
        for shape in shapes:
            try:
                out.update(h3.h3shape_to_cells_experimental(h3.geo_to_h3shape(shape), resolution, contain="overlap"))
            except Exception as error:
                raise _bad_polygon(type(error).__name__) from error
        return cls._sorted(out)

    @classmethod
    def from_cells_file(cls, path: Path, resolution: int) -> Region:
        """The region of a text file with one H3 cell a line (empty lines and lines from "#" on are passed over).

        Raises:
            ConfigError: the file can't be read, or a line is not an H3 cell.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ConfigError(
                "REGION_NOT_FOUND",
                what="The region's list of cells can't be read.",
                got=f"{path}: {type(error).__name__}",
                expected="a text file with one H3 cell a line",
                fix="Correct [region] cells_file.",
            ) from error
        return cls.from_cells((text for line in lines if (text := line.split("#")[0].strip())), resolution)

    @classmethod
    def _sorted(cls, texts: set[str]) -> Region:
        if not texts:
            raise ConfigError(
                "REGION_EMPTY",
                what="The region covers no cell.",
                expected="at least one polygon or one H3 cell",
                fix="Correct [region] in the study file.",
            )
        return cls(np.sort(from_hex(texts)))

    @cached_property
    def resolution(self) -> int:
        """The H3 resolution of the cells."""
        return int(resolution_of(self.cells[:1])[0])

    def at(self, resolution: int) -> Region:
        """The same region at a coarser resolution (every ancestor of a cell)."""
        if resolution == self.resolution:
            return self
        return Region(np.unique(parent(self.cells, resolution)))

    def index_of(self, cells: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Position of each cell in `cells`, or -1 if it is not in the region."""
        wanted = np.asarray(cells, dtype=np.int64)
        where = np.minimum(np.searchsorted(self.cells, wanted), len(self.cells) - 1)
        return np.where(self.cells[where] == wanted, where, -1).astype(np.int64)

    def __len__(self) -> int:
        return len(self.cells)


def _load(source: Path | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    try:
        loaded = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("REGION_NOT_FOUND", what="The region's file does not exist.", got=str(source), fix="Correct [region] geojson.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            "REGION_NOT_GEOJSON",
            what="The region's file can't be read as GeoJSON.",
            got=f"{source}: {type(error).__name__}",
            expected="a GeoJSON Polygon, MultiPolygon, Feature or FeatureCollection",
            fix="Correct the file or [region] geojson.",
        ) from error
    if not isinstance(loaded, Mapping):
        raise _bad_polygon(type(loaded).__name__)
    return loaded


def _bad_polygon(got: str) -> ConfigError:
    return ConfigError(
        "REGION_BAD_POLYGON",
        what="The region's GeoJSON holds something that is not a usable polygon.",
        got=got,
        expected="a Polygon, MultiPolygon, Feature or FeatureCollection in longitude and latitude",
        fix="Correct the file named by [region] geojson.",
    )


def _polygons(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kind = node.get("type")
    if kind == "FeatureCollection":
        return [shape for feature in node.get("features") or [] for shape in _polygons(feature)]
    if kind == "Feature":
        return _polygons(node.get("geometry") or {})
    if kind == "GeometryCollection":
        return [shape for part in node.get("geometries") or [] for shape in _polygons(part)]
    if kind in ("Polygon", "MultiPolygon"):
        _check_range(node)
        return [node]
    raise _bad_polygon(str(kind))


def _most_cells(shape: Mapping[str, Any], resolution: int) -> float:
    """About how many cells the box around a polygon holds."""
    rings = shape["coordinates"]
    points = np.array([point[:2] for part in ([rings] if shape["type"] == "Polygon" else rings) for ring in part for point in ring], dtype=float)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    share = (east - west) / 360 * (np.sin(np.radians(north)) - np.sin(np.radians(south))) / 2
    return float(share * h3.get_num_cells(resolution))


def _check_size(cells: float) -> None:
    if cells > LARGEST:
        raise ConfigError(
            "REGION_TOO_LARGE",
            what="The region has more cells than Flockwise can hold.",
            got=f"about {cells:.2g} cells",
            expected=f"at most {LARGEST:,}",
            state="No data was read.",
            fix="Correct the region, or choose a coarser resolution.",
        )


def _check_range(shape: Mapping[str, Any]) -> None:
    rings = shape.get("coordinates") or []
    parts = [rings] if shape["type"] == "Polygon" else rings
    try:
        points = np.array([point[:2] for part in parts for ring in part for point in ring], dtype=float)
        usable = points.ndim == 2 and bool((np.abs(points) <= [180.0, 90.0]).all())
    except (TypeError, ValueError, IndexError):
        usable = False
    if not usable:
        raise _bad_polygon(f"{shape['type']} whose coordinates are not longitude and latitude")
