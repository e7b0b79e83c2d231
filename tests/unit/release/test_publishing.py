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

from flockwise import api, config, person, release
from flockwise.errors import BudgetError, ConfigError, InternalError, RuleError, StoreError
from flockwise.release import publishing
from flockwise.release.plan import described
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


@pytest.mark.rule(17)
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


def test_every_block_is_an_integer_sum_of_the_finest(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    rng = np.random.default_rng(3)
    first = {b.kind: b for b in reversed(plan.blocks)}
    bands, cells, _, slots = first["flows"].shape
    shapes = {person.PRESENCE: first["presence"].shape, person.FLOWS: first["flows"].shape}
    shapes |= dict.fromkeys((person.DEPARTURES, person.ARRIVALS), (bands, cells, slots))
    finest = {number: rng.integers(0, 1000, shape) for number, shape in shapes.items()}
    sums = all_levels(plan, finest)
    assert set(sums) == {b.name for b in plan.blocks}
    source = {"presence": person.PRESENCE, "total_departures": person.DEPARTURES, "total_arrivals": person.ARRIVALS}
    for block in plan.blocks:
        whole = finest[source.get(block.kind, person.FLOWS)]
        assert sums[block.name].shape == block.shape
        assert sums[block.name].sum() == whole.sum()
        if block.kind != "presence":
            assert [band.sum() for band in sums[block.name]] == [band.sum() for band in whole]
    for level in {b.level for b in plan.of("flows")}:
        pairs = sums[f"flows-{level}"]
        assert (sums[f"departures-{level}"] == pairs.sum(axis=2)).all()
        assert (sums[f"arrivals-{level}"] == pairs.sum(axis=1)).all()


def test_sparse_sums_give_the_same_blocks(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    rng = np.random.default_rng(4)
    first = {b.kind: b for b in reversed(plan.blocks)}
    bands, cells, _, slots = first["flows"].shape
    dense = np.where(rng.random(first["flows"].shape) < 0.01, rng.integers(1, 1000, first["flows"].shape), 0)
    sparse = person.SparseSum()
    sparse.add(np.flatnonzero(dense), dense[dense > 0])
    more = {person.PRESENCE: np.zeros(first["presence"].shape, dtype=np.int64)}
    more |= dict.fromkeys((person.DEPARTURES, person.ARRIVALS), np.zeros((bands, cells, slots), dtype=np.int64))
    from_dense, from_sparse = (all_levels(plan, {**more, person.FLOWS: flows}) for flows in (dense, sparse))
    for name, sums in from_sparse.items():
        if name == first["flows"].name:
            assert sums is sparse
        else:
            assert (sums == from_dense[name]).all(), name


def test_the_plan_is_public_json_without_paths(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    text = json.dumps(described(plan.study, plan.rho, plan.groups, plan.clip, plan.blocks))
    assert str(small_world.root) not in text
    assert plan.digest == release.make_plan(config.load(small_world.study)).digest


def test_the_charge_is_the_sum_of_its_parts_and_every_part_is_certified(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    assert {name for name, *_ in plan.scales} == {"shapes", "totals", "norms"}
    assert sum(rho for _, rho, *_ in plan.scales) == plan.rho
    for _, rho, bound, weights, sigmas in plan.scales:
        assert all(Fraction(bound) / (2 * Fraction(sigma) ** 2 * weight) <= rho for weight, sigma in zip(weights, sigmas, strict=True))


def test_a_settled_plan_keeps_its_digest_and_its_other_blocks(small_world: World) -> None:
    plan = release.make_plan(config.load(small_world.study))
    assert plan.clip is not None
    other = release.settle(plan, plan.clip.edges[9], plan.clip.edges[12])
    assert (other.digest, other.rho, other.groups["totals"]) == (plan.digest, plan.rho, plan.groups["totals"])
    for old, new in zip(plan.blocks, other.blocks, strict=True):
        assert (old.sigma_units == new.sigma_units) == (old.kind not in ("flows", "departures", "arrivals"))
    with pytest.raises(InternalError):
        release.settle(other, plan.clip.edges[9], plan.clip.edges[12])
    with pytest.raises(InternalError):
        release.settle(plan, plan.clip.edges[9] + 1, plan.clip.edges[12])


def test_certificates_of_two_plans_do_not_tell_whether_the_data_changed(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    """The digests of two plans on one state of the store differ, as those of two states would."""
    world = edited("radius_m = 100", "radius_m = 150")
    api.release(world.study, tmp_path / "other")
    first, second = (json.loads((folder / "certificate.json").read_text())["input"]["digest"] for folder in (world.published, tmp_path / "other"))
    assert first != second


def test_certificates_of_one_plan_do_not_tell_it_either(own_world: World, tmp_path: Path) -> None:
    """Lost output and unchanged data, or changed data: both are a second draw under a charge of its own, and both have another digest."""
    for file in own_world.root.glob("*.ledger.outputs/*"):
        file.unlink()
    assert api.release(own_world.study, tmp_path / "again").as_dict()["charged"] is True
    api.ingest(own_world.study, [str(api.simulate(tmp_path / "more", devices=100, days=2, seed=9) and tmp_path / "more" / "pings")])
    api.release(own_world.study, tmp_path / "changed")
    folders = (own_world.published, tmp_path / "again", tmp_path / "changed")
    digests = [json.loads((folder / "certificate.json").read_text())["input"]["digest"] for folder in folders]
    assert len(set(digests)) == 3


def test_what_the_histogram_could_choose_is_tried_before_the_charge(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited('weight = "1/4"', 'weight = "1/100000"')
    before = spent(world)
    with pytest.raises(RuleError, match="PRIVACY_SHARE_TOO_SMALL"):
        api.release(world.study, tmp_path / "none")
    assert spent(world) == before


def test_only_the_finest_pairs_may_be_too_many_to_be_held(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    study = config.load(small_world.study)
    release.make_plan(study)
    monkeypatch.setattr(person, "LARGEST_DENSE", 3_000)
    with pytest.raises(ConfigError, match="PLAN_DOMAIN_TOO_LARGE"):
        release.make_plan(study)
