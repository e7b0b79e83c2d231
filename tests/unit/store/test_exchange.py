"""An ingest by parcels stores what an ingest in one process stores, whatever order they come in; what does not add up is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import disk
from tests.unit.store._made import OPT_OUTS, SIMULATED, US, content_of, order, pings, store, troubled, twin, write
from tests.unit.store._parcels import Parcels

from flockwise.errors import FlockwiseError
from flockwise.store import Store, capping, exchange
from flockwise.store.exchange import ABOUT, LEAVING, ROWS, Parcel
from flockwise.store.reading import open_file
from flockwise.store.settling import Settling
from flockwise.store.units import opened, units_of


def same(folder: Path, sources: list[str], runner: Parcels, **parts: object) -> tuple[Store, Store]:
    """A store by threads and its twin by parcels: equal to the last row and count."""
    one = store(folder / "one", **parts)
    other = twin(one, folder / "other", **parts)
    assert one.ingest(sources, order, SIMULATED, threads=2) == other.ingest(sources, order, SIMULATED, runner=runner)
    assert content_of(one) == content_of(other)
    bases = [made._list.bases().table() for made in (one, other)]
    assert bases[0].equals(bases[1])
    assert one.content_digest() == other.content_digest()
    return one, other


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), size=st.sampled_from([3000, 20_000, 10**9]), senders=st.integers(1, 5), memory=st.sampled_from([1, 1 << 20]))
def test_all_kinds_of_trouble(tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, senders: int, memory: int) -> None:
    folder = tmp_path_factory.mktemp("trouble")
    one, _ = same(folder, troubled(folder / "delivery"), Parcels(seed, size, senders, memory), input=OPT_OUTS)
    assert len(one._list.bases())


def test_a_later_delivery_meets_what_is_known(tmp_path: Path) -> None:
    """Opt-outs of an earlier delivery hold, whoever ran it; the same files again add nothing, and files can be replaced."""
    one, other = same(tmp_path, troubled(tmp_path / "delivery"), Parcels(), input=OPT_OUTS)
    late = write(pq.read_table(tmp_path / "delivery" / "late.parquet").slice(0, 300), tmp_path / "next.parquet")
    assert one.ingest([late], order, SIMULATED).refused["opted_out"]
    other.ingest([late], order, SIMULATED, runner=Parcels(5))
    assert content_of(one) == content_of(other)
    again = [str(tmp_path / "delivery"), late]
    assert one.ingest(again, order, SIMULATED).files_skipped == other.ingest(again, order, SIMULATED, runner=Parcels()).files_skipped > 1
    for made, runner in ((one, None), (other, Parcels(2))):
        made.ingest([write(pq.read_table(late).slice(100), tmp_path / "right.parquet")], order, SIMULATED, runner=runner, replace=[late])
    assert content_of(one) == content_of(other)


def test_a_flood_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One device above the cap, in far more rows than a settler has in work at a time."""
    monkeypatch.setattr(capping, "GREATEST_PINGS", 5000)
    monkeypatch.setattr(exchange, "MOST_ROWS", 1 << 10)
    table = pings(60_000, devices=3)
    pieces: list[int] = []
    real = Settling._in_pieces
    monkeypatch.setattr(Settling, "_in_pieces", lambda self, rows, *more: pieces.append(rows.n) or real(self, rows, *more))
    same(tmp_path, [write(table.slice(i * 20_000, 20_000), tmp_path / f"{i}.parquet") for i in range(3)], Parcels(memory=1))
    assert pieces
    assert max(pieces) < 5000  # so many were read ahead, of 20,000


def made_file(path: Path, made: Store) -> tuple[object, object]:
    from flockwise.store.sources import find

    return find([str(path)])[0], made._study.input


@pytest.mark.parametrize("groups", [[1, 1, 1], [500, 1, 1, 500], [0, 7, 0], [], [2000]])
def test_row_groups_are_each_in_one_unit(groups: list[int], tmp_path: Path) -> None:
    table = pings(2000)
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema) as writer:
        for n in groups:
            writer.write_table(table.slice(0, n)) if n else writer.write_table(table.schema.empty_table())
    file = open_file(*made_file(tmp_path / "a.parquet", store(tmp_path / "s")))
    for size in (1, 3000, 10**9):
        units = units_of([file], size)
        at = [i for unit in units for i in range(len(groups))[unit.first : unit.end]]
        assert at == list(range(len(groups)))


def rows_of(parcels: list[Parcel]) -> list[Parcel]:
    return [p for p in parcels if p.kind == ROWS]


def about(parcels: list[Parcel]) -> list[Parcel]:
    return [p for p in parcels if p.bucket == ABOUT]


TAMPERED: dict[str, tuple[Callable[[list[Parcel]], list[Parcel]], str]] = {
    "rows lost": (lambda ps: [p for p in ps if p is not rows_of(ps)[0]], "ENGINE_ROWS"),
    "rows twice": (lambda ps: [*ps, rows_of(ps)[0]], "ENGINE_ROWS"),
    "a whole bucket lost": (lambda ps: [p for p in ps if p.bucket != rows_of(ps)[0].bucket], "ENGINE_ROWS"),
    "a sender lost": (lambda ps: [p for p in ps if p is not about(ps)[0]], "ENGINE_ROWS"),
    "a sender twice": (lambda ps: [*ps, about(ps)[0]], "ENGINE_ROWS"),
    "everything lost": (lambda _: [], "ENGINE_ROWS"),
    "rows in another bucket": (lambda ps: [p._replace(bucket=p.bucket ^ 1) if p is rows_of(ps)[0] else p for p in ps], "INGEST_PARCEL"),
    "rows for opt-outs": (lambda ps: [p._replace(kind=LEAVING) if p is rows_of(ps)[0] else p for p in ps], "INGEST_PARCEL"),
    "a changed byte": (lambda ps: [p._replace(payload=p.payload[:-1] + bytes([p.payload[-1] ^ 1])) if p is rows_of(ps)[0] else p for p in ps], "INGEST_PARCEL"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_does_not_add_up_is_refused(what: str, tmp_path: Path) -> None:
    tamper, code = TAMPERED[what]
    made = store(tmp_path / "s")
    before = content_of(made)
    source = write(pings(500), tmp_path / "a.parquet")
    with pytest.raises(FlockwiseError) as refused:
        made.ingest([source], order, SIMULATED, runner=Parcels(senders=1, tamper=tamper))
    assert refused.value.code == code
    assert content_of(made) == before
    assert made.ingest([source], order, SIMULATED, runner=Parcels()).stored == 500


def test_a_machine_that_does_not_see_the_delivery_or_the_store(tmp_path: Path) -> None:
    made = store(tmp_path / "s")
    source = Path(write(pings(500), tmp_path / "a.parquet"))

    def cut(parcels: list[Parcel]) -> list[Parcel]:
        for drafts in (tmp_path / "s" / "store" / "staging").glob("*/drafts"):
            drafts.rmdir()
        return parcels

    with pytest.raises(FlockwiseError) as no_store:
        made.ingest([str(source)], order, SIMULATED, runner=Parcels(tamper=cut))
    assert no_store.value.code == "ENGINE_STORE"
    (unit,) = units_of([open_file(*made_file(source, made))], 10**9)
    for change in (lambda: source.write_bytes(source.read_bytes() + b"x"), source.unlink):
        change()
        with pytest.raises(FlockwiseError) as no_file:
            opened(unit, made._study.input)
        assert no_file.value.code == "INGEST_NOT_SHARED"


@pytest.mark.parametrize("after", [6, 8])
def test_a_full_disk_under_the_drafts(after: int, tmp_path: Path) -> None:
    made = store(tmp_path / "s")
    before = content_of(made)
    source = write(pings(500), tmp_path / "a.parquet")
    ended = disk.failing(lambda: Store.open(made._study).ingest([source], order, SIMULATED, runner=Parcels()), "full", after)
    assert ended.code == "STORE_WRITE", ended.told
    assert Store.open(made._study).ingest([source], order, SIMULATED).stored == 500
    assert before["manifest"] != content_of(made)["manifest"]


def test_no_parcel_can_be_read(tmp_path: Path) -> None:
    """What is on the way between processes: no identifier, time or place, and no tag, whatever form one looks for."""
    table = pings(800, devices=5)
    made, runner = store(tmp_path / "s"), Parcels()
    made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED, runner=runner)
    everything = b"".join(p.payload for p in runner.seen)
    high, low = made._pseudonyms(made._ring).of_integers(np.unique(table["device_id"].to_numpy()))
    stamps = table["ts"].cast(pa.int64()).to_numpy()[:50]
    places = [np.round(table[name].to_numpy()[:50] * 1e6).astype("<i4") for name in ("lat", "lon")]
    secrets = [v.tobytes() for column in (high, low, stamps, stamps // US) for v in column] + [v.tobytes() for v in np.stack(places, axis=1)]
    secrets += [str(v).encode() for v in np.unique(table["device_id"].to_numpy())]
    assert len(everything) > 800 * 5
    assert not [s for s in secrets if s in everything]
