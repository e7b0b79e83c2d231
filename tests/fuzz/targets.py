"""What is fuzzed: each target takes bytes from outside and ends well, or in a FlockwiseError. Anything else is a finding."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from tests.fuzz.running import ends_well, folder
from tests.fuzz.targets_of_places import PLACES
from tests.unit.store import _made

from flockwise import api, artifact, config, store
from flockwise.base.region import Region
from flockwise.census.people import read_census
from flockwise.config.weights import read_weights
from flockwise.store import keys
from flockwise.store.suppression import Suppression, folder_of

__all__ = ["TARGETS", "as_csv", "as_parquet"]


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


def _delivery(name: str, content: bytes) -> str | None:
    text = {"device_type": "text", "time_format": "iso8601"} if ".csv" in name else {}
    with folder() as path:
        store = _made.store(path, input=text)
        (path / name).write_bytes(content)
        before = store.content_digest()
        code = ends_well(lambda: store.ingest([str(path / name)], _made.order, _made.SIMULATED))
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


def _deletions(name: str, content: bytes, kind: store.Kind, device_type: str) -> str | None:
    with folder() as path:
        made = _made.study(path, input={"device_type": device_type})
        keys.create(made.store.key)
        (path / name).write_bytes(content)
        code = ends_well(lambda: store.forget(made, str(path / name), kind=kind))
        listed = Suppression.open(made, keys.load(made.store.key))
        # All of a list or nothing: one that is refused leaves no request and nobody barred.
        assert (listed.number, len(listed.bases())) == (0, 0) if code else listed.number == 1
        assert {p.name for p in path.iterdir()} <= {name, "key", "region.geojson", folder_of(made).name}
        return code


def deletions(content: bytes) -> str | None:
    """A list of deletions as CSV."""
    return _deletions("list.csv", content, "ids", "integer")


def deletions_of_texts(content: bytes) -> str | None:
    """The same, where any bytes are an identifier."""
    return _deletions("list.csv", content, "ids", "text")


def deletions_hashed(content: bytes) -> str | None:
    """A list of SHA-256 hashes, as an authority gives it out."""
    return _deletions("list.csv.gz" if content.startswith(b"\x1f\x8b") else "list.csv", content, "hashed", "uuid")


def deletions_parquet(content: bytes) -> str | None:
    """A list as Parquet."""
    return _deletions("list.parquet", content, "ids", "integer")


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
    t.__name__: t
    for t in (
        *(study, supplier, region, cells, weights, census, certificate, csv, csv_gz, csv_zst, parquet),
        *(deletions, deletions_of_texts, deletions_hashed, deletions_parquet),
    )
} | PLACES
