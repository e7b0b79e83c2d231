"""How much of a region its sensitive places cut out: from public facts alone, no pings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from h3ronpy import change_resolution
from h3ronpy.vector import cells_to_coordinates

from flockwise.base.h3bits import parent
from flockwise.base.region import Region
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.index import PlaceIndex
from flockwise.governance.places.listing import Listing

__all__ = ["Coverage", "coverage", "coverage_by_level", "shares"]

Floats = npt.NDArray[np.float64]
MOST_POINTS = 4_000_000
DEEPEST = 4  # 2,401 points a cell


@dataclass(frozen=True, eq=False)
class Coverage:
    """Shares of area that are cut, between 0 and 1, from points spread evenly over each cell: good to about a hundredth for a cell.

    Args:
        whole: of the whole region.
        categories: of the region, by category alone (categories overlap: they do not add up).
        cells: of each cell of the region.
    """

    whole: float
    categories: dict[str, float]
    cells: Floats


def shares(region: Region, indexes: Sequence[PlaceIndex], most: int = MOST_POINTS) -> Floats:
    """The share of each cell of a region that each index of places covers (gatherings don't count here): indexes x cells.

    Args:
        region: the cells.
        indexes: of places; each answers for the same points.
        most: points at a time, which also bounds how fine they are.
    """
    depth = DEEPEST
    while depth > 1 and (len(region) * 7**depth > most or region.resolution + depth > 15):
        depth -= 1
    out = np.empty((len(indexes), len(region)))
    step = max(1, most // 7**depth)
    for start in range(0, len(region), step):
        own = region.cells[start : start + step]
        children = np.asarray(change_resolution(own.astype(np.uint64), region.resolution + depth))
        at = cells_to_coordinates(children)
        lat, lon = (np.rint(np.asarray(at[k]) * 1e6).astype(np.int32) for k in ("lat", "lng"))
        place = np.searchsorted(own, parent(children.view(np.int64), region.resolution))
        points = np.bincount(place, minlength=len(own))
        for row, index in zip(out, indexes, strict=True):
            row[start : start + step] = np.bincount(place, index.covers(lat, lon), len(own)) / points
    return out


def coverage(region: Region, listing: Listing) -> Coverage:
    """What a list cuts out of a region, in total, by category and by cell. Cells count alike: they differ little in size within a region."""
    if not listing.table.num_rows:
        return Coverage(0.0, {}, np.zeros(len(region)))
    extent = Extent.of(region)
    (cells,) = shares(region, [PlaceIndex.build(listing.shapes, listing.buffers_m, extent)])
    named, names = np.array(listing.categories), list(listing.counts)
    apart = [PlaceIndex.build(listing.shapes[own], listing.buffers_m[own], extent) for own in (named == name for name in names)]
    # One figure for the whole region needs fewer points than one for each cell.
    found = shares(region, apart, MOST_POINTS // 7).mean(axis=1)
    return Coverage(float(cells.mean()), dict(zip(names, found.tolist(), strict=True)), cells)


def coverage_by_level(region: Region, cells: Floats, levels: Iterable[int]) -> dict[int, Floats]:
    """The share of each ancestor that is cut, at some levels: the mean of its cells in the region.

    Args:
        region: the finest cells.
        cells: their shares.
        levels: resolutions, the region's own or coarser.
    """
    out = {}
    for level in levels:
        at = region.at(level).index_of(parent(region.cells, level))
        out[level] = np.bincount(at, cells) / np.bincount(at)
    return out
