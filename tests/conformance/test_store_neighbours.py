"""Neighbouring stores that lived through everything a steward does: deliveries, deletions, new keys, merging.

Whatever was done, the exact sums of both differ by what one device's own rows come to, under every engine; and deleting that device gives the sums of the
store that never had it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conformance.clusters import HERE

from flockwise import person, release, store
from flockwise.audit.population import Pings, sitters, together, townspeople, walker
from flockwise.audit.trial import Exact, Trial, area_of, entries, exact_sums, study
from flockwise.config import EngineSpec, Study
from flockwise.engines import Engine, LocalEngine, opened
from flockwise.release.sums import all_levels
from flockwise.store.store import Store

pytestmark = pytest.mark.rule(15)

ME = 7_000_003
SETTLED = (16, 64)


@pytest.fixture(scope="module", params=["local", "spark"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with opened(EngineSpec(kind=request.param, threads=2, spark=HERE)) as found:
        yield found


def devices() -> dict[str, Pings]:
    """The heaviest there are, one that never moves, and one without a row in the window."""
    here = area_of(study(Path("/nonexistent")))
    walk = walker(ME, here, (0, 5, 11, 30, 44))
    return {
        "a trip every twelve minutes": walk,
        "always between two places": walker(ME, here, (0, 60), every=9),
        "always at home": sitters(ME, here, [17]),
        "outside the window": Pings(walk.number, walk.t_us - 10**15, walk.lat_e6, walk.lon_e6, walk.accuracy_dm, walk.cell),
    }


DEVICES = devices()


def listed(path: Path, *numbers: int) -> str:
    pq.write_table(pa.table({"device": np.array(numbers, dtype=np.int64)}), path)
    return str(path)


def lived(where: Path, device: Pings | None) -> Trial:
    """A store of a fixed life: rows in many deliveries, some twice, others forgotten, new keys and merges in between; with one more device or without."""
    where.mkdir(exist_ok=True)
    trial = Trial(where, study(where, rings=4))
    crowd = townspeople(1, 30, trial.area, np.random.default_rng(7)).pings
    everybody = crowd if device is None else together(crowd, device)

    def part(*thirds: int) -> Pings:
        return everybody.take(np.flatnonzero(np.isin(everybody.t_us // 3_600_000_000 % 3, thirds)))

    trial.ingest(part(0, 1), files=2)
    store.forget(trial.study, listed(where / "gone.parquet", 3, 4), received=date(2026, 3, 3))
    old = where / "old.key"
    old.write_bytes((where / "key").read_bytes())
    old.chmod(0o600)
    (where / "key").unlink()
    store.keys.create(where / "key")
    store.rotate(trial.study, old, data=True)
    trial.ingest(part(1, 2), files=3)
    for i in range(0, 360, 40):
        trial.ingest(part(2).take(np.arange(i, i + 40)))
        trial.ingest(crowd.take(np.arange(i, i + 40)))
    Store.open(trial.study).compact(partial(person.order, rules=person.rules_for(trial.study)))
    return trial


def sums(engine: Engine, of: Study, plan: release.Plan) -> Exact:
    return all_levels(plan, engine.sum(Store.open(of), plan.rules()))


def plain(found: Exact) -> dict[str, list[bytes]]:
    return {name: [a.tobytes() for a in entries(block)] for name, block in found.items()}


def norms(change: dict[str, tuple[np.ndarray, np.ndarray]], plan: release.Plan) -> dict[str, int]:
    """Sum of W |change|^2 by group, in Python integers."""
    return {g.name: sum(b.weight * sum(int(v) ** 2 for v in change[b.name][1]) for b in plan.blocks if b.group == g.name) for g in plan.groups.values()}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return lived(tmp_path_factory.mktemp("without"), None)


@pytest.mark.parametrize("name", DEVICES)
def test_one_device_more_or_less(name: str, without: Trial, engine: Engine, tmp_path: Path) -> None:
    device, trial = DEVICES[name], lived(tmp_path, DEVICES[name])
    plan = release.settle(trial.plan, *SETTLED)
    more, less, alone = sums(engine, trial.study, plan), sums(engine, without.study, plan), exact_sums(device, plan)
    change = {block: entries(np.asarray(more[block]) - np.asarray(less[block])) for block in more}
    assert {block: [a.tobytes() for a in values] for block, values in change.items()} == plain(alone)
    for group, used in norms(change, plan).items():
        assert used <= plan.groups[group].bound
    # The other direction, by the steward's own hand: after the deletion nothing of the device is left, and delivered again it adds nothing.
    store.forget(trial.study, listed(tmp_path / "me.parquet", ME), received=date(2026, 3, 4))
    assert plain(sums(engine, trial.study, plan)) == plain(less)
    trial.ingest(device)
    assert plain(sums(engine, trial.study, plan)) == plain(less)


def _one_bucket_a_segment(patch: pytest.MonkeyPatch) -> None:
    """Buckets by pseudonym: after a change of keys a device's new rows lie in another bucket than its old ones."""
    from flockwise.store import rewriting

    real = rewriting.renamed

    def renamed(old: object, new: object, table: pa.Table) -> pa.Table:
        out = real(old, new, table)  # type: ignore[arg-type]
        high = out["device_hi"].to_numpy()
        return out.set_column(0, out.schema.field(0), pa.array(high ^ 1)) if len(high) else out

    patch.setattr("flockwise.store.store.renamed", renamed)


def _limit_of_the_batch(patch: pytest.MonkeyPatch) -> None:
    """A merge keeps the first rows of a bucket, whoever they are of."""
    from flockwise.store import compacting

    real = compacting.merge

    def merge(old: object, name: object, load: object, sealer: object, order: Callable[[pa.Table], tuple[pa.Table, dict[str, int]]], *more: object) -> object:
        return real(old, name, load, sealer, lambda t: (order(t)[0].slice(0, 1000), {}), *more)  # type: ignore[arg-type]

    patch.setattr("flockwise.store.store.merge", merge)


@pytest.mark.parametrize("plant", [_one_bucket_a_segment, _limit_of_the_batch])
def test_a_planted_bug_is_seen(plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        test_one_device_more_or_less("a trip every twelve minutes", lived(tmp_path / "without", None), LocalEngine(2), tmp_path / "with")
