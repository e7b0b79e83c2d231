"""Lookup tables as bytes and back, and what a table depends on: so that it is made once for a list and not for each delivery."""

from __future__ import annotations

import hashlib
import io
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from flockwise.base.region import Region
from flockwise.governance.places.current import Suppression
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.index import PlaceIndex

__all__ = ["packed", "table_name", "unpacked"]

_SOURCES = ("current.py", "extent.py", "gatherings.py", "index.py", "kernels.py", "packing.py", "pixels.py", "raster.py", "shapes.py")
_LIBRARIES = ("h3", "h3ronpy", "numba", "numpy", "shapely")


def table_name(digest: str, area: Region) -> bytes:
    """32 bytes that stand for everything that a table is made of: the list and the gatherings, the region, and the code that makes it.

    Args:
        digest: of the list (`Current.digest`).
        area: the region.
    """
    extent = Extent.of(area)
    return hashlib.sha256(repr((digest, extent.south, extent.west, extent.height, extent.width, _made_with())).encode()).digest()


@cache
def _made_with() -> str:
    """The source of what makes tables, and the versions of the libraries that it calls: after an update a table is made anew."""
    code = hashlib.sha256()
    for name in _SOURCES:
        code.update(hashlib.sha256((Path(__file__).parent / name).read_bytes()).digest())
    return " ".join([code.hexdigest(), *(f"{name} {version(name)}" for name in _LIBRARIES)])


def packed(tables: Suppression) -> bytes:
    """The tables as arrays in NumPy's own format (.npy), one after the other."""
    out = io.BytesIO()
    for index in (tables.places, tables.gatherings):
        _write(out, np.array(index is not None))
        for field in fields(PlaceIndex) if index is not None else ():
            _write(out, np.asarray(getattr(index, field.name)))
    return out.getvalue()


def unpacked(data: bytes, digest: str) -> Suppression:
    """The tables in bytes that `packed` made; to be trusted as far as the bytes.

    Args:
        data: the bytes.
        digest: of the list.

    Raises:
        ValueError: they are something else.
    """
    source = io.BytesIO(data)
    places, gatherings = (_index(source) for _ in range(2))
    if places is None or source.read(1):
        raise ValueError("not a lookup table")
    return Suppression(digest, places, gatherings)


def _index(source: io.BytesIO) -> PlaceIndex | None:
    if not _read(source):
        return None
    found: dict[str, Any] = {field.name: _read(source) for field in fields(PlaceIndex)}
    for pair in ("corner", "step"):
        found[pair] = tuple(int(v) for v in found[pair])
    return PlaceIndex(**found)


def _write(out: io.BytesIO, array: np.ndarray[Any, Any]) -> None:
    np.lib.format.write_array(out, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)


def _read(source: io.BytesIO) -> np.ndarray[Any, Any]:
    return np.lib.format.read_array(source, allow_pickle=False)
