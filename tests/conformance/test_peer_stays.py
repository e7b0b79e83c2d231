"""Our stays on the Garden City pings, and trackintel 1.4.2's out of ours rule by rule.

What is stored of the peer is one count and one digest of (agent, start, end) for each parameter set, as `bench/stays_trackintel.py` printed them.
"""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conformance import peer
from tests.conformance.worlds import GARDEN_CITY, MINUTE, as_stored, garden_city, garden_rules

from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of
from flockwise.person.ordering import ordered
from flockwise.person.stays import find_stays

# radius_m, least_min, gap_min: our stays, then trackintel's count and digest without and with include_last.
STORED = {
    (100, 5, 15): (11_227, (1_992, "f2d2946402a0244c"), (2_048, "65a40d43cfec5383")),
    (50, 10, 30): (8_414, (4_824, "6d4cb04fadd052e3"), (4_892, "b32e8597c849e5a9")),
    (200, 20, 60): (3_754, (476, "9c345e8cb393e9d8"), (558, "55531821ced8ea1c")),
    (30, 3, 15): (14_771, (9_785, "868445bfe6fb3adb"), (9_839, "22a6726067cff6ae")),
}
# After each step of peer.STEPS at 100 m, 5 min, 15 min: the table of docs/explanation/stays.md.
STEPS = [11_227, 11_227, 11_227, 1_581, 2_056, 2_048, 1_992, 1_992]


@pytest.fixture(scope="module")
def tracks() -> dict[int, peer.Track]:
    source = pq.read_table(GARDEN_CITY)
    agent = source["uid"].combine_chunks().dictionary_encode().indices.to_pylist()
    t_us = (source["timestamp"].to_numpy() * 1_000_000).tolist()
    return peer.tracks_of(agent, t_us, source["latitude"].to_pylist(), source["longitude"].to_pylist())


@pytest.mark.parametrize("parameters", STORED)
def test_every_difference_is_explained(parameters: tuple[int, int, int], tracks: dict[int, peer.Track]) -> None:
    radius_m, least_min, gap_min = parameters
    ours, theirs, theirs_with_last = STORED[parameters]
    found = dict(peer.steps(tracks, peer.StayRules(radius_m, least_min * MINUTE, gap_min * MINUTE)))
    assert len(found["flockwise"]) == ours
    for name, stored in (("angle_mean", theirs), ("restart_after", theirs_with_last)):
        assert (len(found[name]), peer.digest(peer.spans(found[name]))) == stored
    if parameters == (100, 5, 15):
        assert [len(stays) for stays in found.values()] == STEPS


@pytest.mark.parametrize("parameters", STORED)
def test_the_kernel_finds_the_same(parameters: tuple[int, int, int]) -> None:
    radius_m, least_min, gap_min = parameters
    rules = garden_rules(radius_m=radius_m, least_us=least_min * MINUTE, gap_us=gap_min * MINUTE)
    stays = find_stays(clean(ordered(columns_of(garden_city())), rules), rules)
    assert len(stays.start_us) == STORED[parameters][0]
    assert np.all(stays.end_us - stays.start_us >= rules.least_us)


def test_rounding_for_the_store_moves_few_stays() -> None:
    """What docs/explanation/stays.md says of it."""
    rules = garden_rules(radius_m=100, least_us=5 * MINUTE, gap_us=15 * MINUTE)
    full, kept = (find_stays(clean(ordered(columns_of(p)), rules), rules) for p in (garden_city(), as_stored(garden_city())))
    before, after = (set(zip(s.start_us.tolist(), s.end_us.tolist(), s.cell.tolist(), strict=True)) for s in (full, kept))
    assert (len(kept.start_us), len(before - after), len(after - before)) == (11_223, 177, 173)
