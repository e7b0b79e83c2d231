"""What is fuzzed: each target takes bytes from outside and ends well, or in a FlockwiseError. Anything else is a finding."""

from __future__ import annotations

import io
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from tests.unit.store import _made

from flockwise import api, artifact, config
from flockwise.base.region import Region
from flockwise.census.people import read_census
from flockwise.config.weights import read_weights
from flockwise.errors import FlockwiseError, InternalError
from flockwise.governance.places.gatherings import read_gatherings
from flockwise.governance.places.sources import _batches
from flockwise.governance.places.tags import read_tags

__all__ = ["TARGETS", "TooSlowError", "as_csv", "as_parquet", "bounded", "ends_well", "folder"]

SECONDS = 20


class TooSlowError(BaseException):
    """A target did not end in time. Not an Exception: nothing may swallow it."""


@contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """Raises if the block takes longer."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="flockwise-fuzz-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def ends_well(work: Callable[[], Any]) -> str | None:
    """None, or the code of the FlockwiseError in which the work ended. An InternalError is a bug of ours and goes on."""
    found: FlockwiseError
    try:
        with bounded():
            work()
    except InternalError:
        raise
    except FlockwiseError as error:
        found = error
    else:
        return None
    assert found.code.isupper()
    assert "Traceback" not in str(found)
    return found.code


def study(content: bytes) -> str | None:
    """A study file, and what it says of the region."""
    with folder() as path:
        (path / "study.toml").write_bytes(content)
        before = sorted(p.name for p in path.rglob("*"))
        code = ends_well(lambda: len(config.load(path / "study.toml").area))
        assert sorted(p.name for p in path.rglob("*")) == before
        return code


def supplier(content: bytes) -> str | None:
    """An assessment of a supplier."""
    with folder() as path:
        (path / "supplier.toml").write_bytes(content)
        return ends_well(lambda: api.supplier_check(path / "supplier.toml"))


def region(content: bytes) -> str | None:
    """GeoJSON polygons."""
    with folder() as path:
        (path / "region.geojson").write_bytes(content)
        return ends_well(lambda: Region.from_geojson(path / "region.geojson", 7))


def cells(content: bytes) -> str | None:
    """A list of cells."""
    with folder() as path:
        (path / "cells.txt").write_bytes(content)
        return ends_well(lambda: Region.from_cells_file(path / "cells.txt", 7))


def weights(content: bytes) -> str | None:
    """A table of weights."""
    with folder() as path:
        (path / "weights.csv").write_bytes(content)
        return ends_well(lambda: read_weights(path / "weights.csv", 100))


def census(content: bytes) -> str | None:
    """A census."""
    with folder() as path:
        (path / "census.csv").write_bytes(content)
        return ends_well(lambda: read_census(path / "census.csv"))


def certificate(content: bytes) -> str | None:
    """The certificate of a folder from somebody else."""
    with folder() as path:
        (path / "certificate.json").write_bytes(content)
        codes = [ends_well(lambda: artifact.verify(path)), ends_well(lambda: api.report(path))]
        assert [p.name for p in path.iterdir()] == ["certificate.json"]
        assert None not in codes
        return codes[0]


def gatherings(content: bytes) -> str | None:
    """A list of gatherings."""
    with folder() as path:
        (path / "gatherings.csv").write_bytes(content)
        return ends_well(lambda: read_gatherings(path / "gatherings.csv", 120))


def osm(content: bytes) -> str | None:
    """An extract of OpenStreetMap."""
    with folder() as path:
        (path / "extract.osm").write_bytes(content)
        return ends_well(lambda: list(_batches(path / "extract.osm", read_tags())))


def _delivery(name: str, content: bytes) -> str | None:
    text = {"device_type": "text", "time_format": "iso8601"} if ".csv" in name else {}
    with folder() as path:
        store = _made.store(path, input=text)
        (path / name).write_bytes(content)
        before = store.content_digest()
        code = ends_well(lambda: store.ingest([str(path / name)], _made.order))
        assert code is None or type(store).open(_made.study(path, input=text)).content_digest() == before
        assert not any((path / "store" / "staging").iterdir())
        return code


def csv(content: bytes) -> str | None:
    """A delivery as CSV. A file that is refused leaves the store as it was."""
    return _delivery("day.csv", content)


def csv_gz(content: bytes) -> str | None:
    """The same, compressed."""
    return _delivery("day.csv.gz", content)


def csv_zst(content: bytes) -> str | None:
    """The same, compressed otherwise."""
    return _delivery("day.csv.zst", content)


def parquet(content: bytes) -> str | None:
    """A delivery as Parquet."""
    return _delivery("day.parquet", content)


def as_csv(rows: int = 20) -> bytes:
    """A good delivery."""
    buffer = io.BytesIO()
    pacsv.write_csv(_made.pings(rows), buffer)
    return buffer.getvalue()


def as_parquet(rows: int = 20) -> bytes:
    """A good delivery."""
    buffer = io.BytesIO()
    pq.write_table(_made.pings(rows), buffer)
    return buffer.getvalue()


TARGETS: dict[str, Callable[[bytes], str | None]] = {
    t.__name__: t for t in (study, supplier, region, cells, weights, census, certificate, gatherings, osm, csv, csv_gz, csv_zst, parquet)
}
