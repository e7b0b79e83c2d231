from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import World

from flockwise import api, config, release
from flockwise.errors import BudgetError, RuleError, StoreError
from flockwise.release import publishing
from flockwise.release.sums import all_levels


def bytes_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def spent(world: World) -> str:
    return str(api.ledger(world.study).as_dict()["spent_rho"])


def test_the_same_plan_on_unchanged_data_gives_the_same_bytes_and_charges_nothing(own_world: World, tmp_path: Path) -> None:
    before = spent(own_world)
    again = api.release(own_world.study, tmp_path / "again")
    api.report(tmp_path / "again")
    assert again.as_dict()["charged"] is False
    assert bytes_of(tmp_path / "again") == bytes_of(own_world.published)
    assert spent(own_world) == before


def test_changed_data_is_a_new_plan_and_a_new_charge(own_world: World, tmp_path: Path) -> None:
    before = Fraction(spent(own_world))
    more = api.simulate(tmp_path / "more", devices=300, days=2, seed=99)
    assert more.as_dict()
    api.ingest(own_world.study, [str(tmp_path / "more" / "pings")])
    again = api.release(own_world.study, tmp_path / "again")
    assert again.as_dict()["charged"] is True
    assert Fraction(spent(own_world)) == 2 * before
    old, new = bytes_of(own_world.published), bytes_of(tmp_path / "again")
    assert old["presence.parquet"] != new["presence.parquet"]


def test_a_changed_study_is_a_new_plan(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited("radius_m = 100", "radius_m = 150")
    assert api.release(world.study, tmp_path / "again").as_dict()["charged"] is True


def test_overspending_is_refused_and_spends_nothing(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited('epsilon = "1"', 'epsilon = "2"')
    for radius in (110, 120, 130):
        world.study.write_text(world.study.read_text().replace("radius_m = ", f"radius_m = {radius} # "))
        api.release(world.study, tmp_path / f"r{radius}")
    before = spent(world)
    world.study.write_text(world.study.read_text().replace("radius_m = ", "radius_m = 140 # "))
    with pytest.raises(BudgetError) as caught:
        api.release(world.study, tmp_path / "over")
    assert caught.value.exit_code == 3
    assert spent(world) == before
    assert not (tmp_path / "over").exists()


def test_a_crash_between_charge_and_output_is_shown_as_spent(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = own_world.study.read_text().replace("radius_m = ", "radius_m = 101 # ")
    own_world.study.write_text(text)
    before = Fraction(spent(own_world))

    def power_cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing.outputs, "save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            api.release(own_world.study, tmp_path / "cut")
    assert not (tmp_path / "cut").exists()
    assert Fraction(spent(own_world)) == 2 * before
    assert api.release(own_world.study, tmp_path / "after").as_dict()["charged"] is True
    assert Fraction(spent(own_world)) == 3 * before


def test_a_crash_between_output_and_publication_is_completed_without_a_charge(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_world.study.write_text(own_world.study.read_text().replace("radius_m = ", "radius_m = 102 # "))

    def power_cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing.artifact, "write", power_cut)
        with pytest.raises(KeyboardInterrupt):
            api.release(own_world.study, tmp_path / "cut")
    after = spent(own_world)
    assert api.release(own_world.study, tmp_path / "after").as_dict()["charged"] is False
    assert spent(own_world) == after


def test_nothing_is_drawn_before_the_charge_is_in_the_ledger(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_world.study.write_text(own_world.study.read_text().replace("radius_m = ", "radius_m = 103 # "))
    before, seen = Fraction(spent(own_world)), []
    real = publishing.noise.add

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(Fraction(spent(own_world)))
        return real(*args, **kwargs)

    monkeypatch.setattr(publishing.noise, "add", watched)
    api.release(own_world.study, tmp_path / "out")
    assert seen
    assert all(s == 2 * before for s in seen)


def test_damaged_noisy_output_is_refused(own_world: World, tmp_path: Path) -> None:
    (file,) = own_world.root.glob("*.outputs/*.npz")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(StoreError, match="RELEASE_OUTPUT_DAMAGED"):
        api.release(own_world.study, tmp_path / "again")


def test_a_study_without_pings_has_nothing_to_release(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited("small-world.store", "empty.store")
    with pytest.raises(StoreError):
        api.release(world.study, tmp_path / "none")


def test_a_ledger_of_another_data_set_is_refused(edited: Callable[[str, str], World]) -> None:
    world = edited('dataset = "small-world-panel"', 'dataset = "other"')
    with pytest.raises(RuleError, match="LEDGER_OTHER_DATASET"):
        api.check(world.study)


def test_coarser_sums_are_integer_sums_of_the_finest(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    rng = np.random.default_rng(3)
    finest = {kind: rng.integers(0, 1000, plan.of(kind)[0].shape) for kind in ("presence", "flows")}
    sums = all_levels(plan, finest)
    assert set(sums) == {b.name for b in plan.blocks}
    for block in plan.blocks:
        assert sums[block.name].shape == block.shape
        assert sums[block.name].sum() == finest[block.kind].sum()


def test_the_plan_is_public_json_without_paths(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    text = json.dumps(plan.describe())
    assert str(small_world.root) not in text
    assert plan.digest == release.make_plan(config.load(small_world.study)).digest
