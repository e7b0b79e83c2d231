from __future__ import annotations

from pathlib import Path

import numpy as np

from flockwise import release
from flockwise.audit.checking import Settings
from flockwise.audit.population import anything, sitters, stored, together, townspeople, walker
from flockwise.audit.trial import SPARSE, area_of, exact_sums, study
from flockwise.base.schemas import STORED_PINGS

PLAN = release.settle(release.make_plan(study(Path("/nonexistent"))), 16, 64)
HERE = area_of(PLAN.study)


def test_townspeople_are_where_they_are_said_to_be() -> None:
    town = townspeople(1, 30, HERE, Settings().generator("test"))
    wanted = np.zeros((len(HERE.cells), HERE.hours), dtype=np.int64)
    np.add.at(wanted, (town.cells, np.arange(HERE.hours)[None, :]), 256)
    np.testing.assert_array_equal(exact_sums(town.pings, PLAN)["presence-7"], wanted)
    assert (np.diff(town.cells, axis=1) != 0).any()


def test_the_walker_is_always_present_and_always_travelling() -> None:
    found = exact_sums(walker(5, HERE, (0, 40)), PLAN)
    presence = np.asarray(found["presence-7"])
    assert (presence.sum(axis=0) == 256).all()
    assert np.asarray(found["flows-6"]).sum() > 0
    assert np.asarray(found["flows-6"])[1].sum() > 0, "not heavy"


def test_sitters_stay() -> None:
    found = exact_sums(sitters(1, HERE, [3, 3, 9]), PLAN)
    presence = np.asarray(found["presence-7"])
    assert (presence[3] == 512).all()
    assert (presence[9] == 256).all()
    assert presence.sum() == 3 * 256 * HERE.hours
    assert not np.asarray(found["flows-6"]).any()


def test_rows_that_cannot_be_fill_every_column_to_its_ends() -> None:
    odd = anything(1, 40, 12, HERE, Settings().generator("test"))
    table = stored(odd)
    assert table.schema.equals(STORED_PINGS)
    assert len(set(zip(table["device_hi"].to_pylist(), table["device_lo"].to_pylist(), strict=True))) == 40
    for column in ("t_us", "cell"):
        assert {2**63 - 1, -(2**63)} <= set(table[column].to_pylist())
    assert {2**31 - 1, -(2**31)} <= set(table["lat_e6"].to_pylist())


def test_devices_of_a_panel_keep_their_rows_together() -> None:
    both = together(sitters(1, HERE, [0]), sitters(2, HERE, [1]))
    assert len(both) == 2 * HERE.hours
    assert np.unique(both.take(np.flatnonzero(both.number == 2)).cell).tolist() == [HERE.cells[1]]


def test_the_sparse_study_is_sparse() -> None:
    finest = release.make_plan(study(Path("/nonexistent"), **SPARSE)).of("flows")[0]
    assert finest.sparse
