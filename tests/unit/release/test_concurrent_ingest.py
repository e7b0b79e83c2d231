"""An ingest while a release runs: before the charge it is noticed and nothing is spent; after it, the release is of what it was charged for."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.conftest import World

from flockwise import api, config
from flockwise.engines import LocalEngine
from flockwise.errors import StoreError
from flockwise.person import NORMS
from flockwise.release import publishing
from flockwise.store import Store


@pytest.fixture
def world(own_world: World) -> World:
    own_world.study.write_text(own_world.study.read_text().replace("radius_m = ", "radius_m = 107 # "))
    return own_world


@pytest.fixture
def deliver(world: World, tmp_path: Path) -> Callable[[], None]:
    api.simulate(tmp_path / "more", devices=300, days=2, seed=99)
    return lambda: void(api.ingest(world.study, [str(tmp_path / "more" / "pings")]))


def void(_: object) -> None:
    return None


class Held:
    """What a store holds now, in memory."""

    def __init__(self, vault: Store) -> None:
        self.tables = [vault.read(bucket) for bucket in vault.buckets()]

    def buckets(self) -> list[int]:
        return list(range(len(self.tables)))

    def read(self, bucket: int) -> pa.Table:
        return self.tables[bucket]


def spent(world: World) -> Fraction:
    return Fraction(str(api.ledger(world.study).as_dict()["spent_rho"]))


def test_before_the_charge_it_is_noticed_and_nothing_is_spent(world: World, deliver: Callable[[], None], tmp_path: Path) -> None:
    before, came = spent(world), []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "person" and not came:
            came.append(stage)
            deliver()

    with pytest.raises(StoreError) as caught:
        api.release(world.study, tmp_path / "out", progress)
    assert caught.value.code == "RELEASE_DATA_CHANGED"
    assert came
    assert spent(world) == before
    assert not (tmp_path / "out").exists()
    assert api.release(world.study, tmp_path / "out").as_dict()["charged"] is True


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_after_the_charge_the_release_is_of_what_was_charged(
    world: World, deliver: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    study = config.load(world.study)
    plan = publishing.make_plan(study)
    norms = LocalEngine(1).sum(Store.open(study), plan.clip_rules())[NORMS]
    met: dict[str, Any] = {}
    add, levels = publishing.noise.add, publishing.all_levels

    def drawing(values: Any, *args: Any, **more: Any) -> Any:
        if not met:
            met["norms"] = values
            deliver()
        return add(values, *args, **more)

    def summing(settled: Any, found: Any) -> Any:
        met["found"], met["rules"] = found, settled.rules()
        return levels(settled, found)

    snapshot = Held(Store.open(study))
    monkeypatch.setattr(publishing.noise, "add", drawing)
    monkeypatch.setattr(publishing, "all_levels", summing)
    monkeypatch.setattr(publishing.engines, "LocalEngine", lambda threads: LocalEngine(threads, memory))
    assert api.release(world.study, tmp_path / "out").as_dict()["charged"] is True
    np.testing.assert_array_equal(met["norms"], norms)
    expected = LocalEngine(1).sum(snapshot, met["rules"])
    for block, values in expected.items():
        np.testing.assert_array_equal(met["found"][block], values)
    # What came in since is for the next release, at a new charge.
    monkeypatch.undo()
    assert api.release(world.study, tmp_path / "next").as_dict()["charged"] is True
