"""Weights of areas, where they come from, and what is said of the panel's coverage."""

from __future__ import annotations

import h3
import numpy as np
import pytest

from flockwise.census import Census, Night, table, told, weigh
from flockwise.census.weighing import Weighing
from flockwise.errors import ConfigError

ZONES = np.array(sorted(h3.str_to_int(c) for c in h3.grid_disk("852a1073fffffff", 1)), dtype=np.int64)
AREAS = np.array(sorted(h3.str_to_int(c) for z in ZONES for c in h3.cell_to_children(h3.int_to_str(int(z)), 6)), dtype=np.int64)
ABOVE = np.array([h3.str_to_int(h3.cell_to_parent(h3.int_to_str(int(a)), 5)) for a in AREAS])
PEOPLE = 1000.0 + np.arange(len(AREAS))


def night(devices: np.ndarray, cells: np.ndarray = AREAS, half: float = 0.02) -> Night:
    return Night(cells, devices, devices * (1 - half), devices * (1 + half))


def census(people: np.ndarray = PEOPLE, cells: np.ndarray = AREAS) -> Census:
    return Census(cells, people, "0" * 64)


def coarse(devices: np.ndarray, zones: np.ndarray = ZONES) -> Night:
    return night(np.array([np.nansum(devices[z == ABOVE]) for z in zones]), zones)


def test_a_weight_is_people_over_devices() -> None:
    devices = PEOPLE / 10
    devices[3] = PEOPLE[3] / 20
    found = weigh({6: night(devices), 5: coarse(devices)}, census(), 6, 100)
    assert np.allclose(found.weight, np.where(np.arange(len(AREAS)) == 3, 20.0, 10.0))
    assert (found.source == 6).all()
    assert np.allclose(found.weight * devices, PEOPLE)
    assert not found.cut.any()


def test_no_weight_is_larger_than_the_greatest() -> None:
    devices = PEOPLE / 10
    devices[3] = PEOPLE[3] / 20
    found = weigh({6: night(devices)}, census(), 6, 15)
    assert found.weight.max() == 15.0
    assert np.flatnonzero(found.cut).tolist() == [3]


def test_a_withheld_area_takes_its_coarser_figure_shared_out_by_the_census() -> None:
    whole = PEOPLE / np.where(ZONES[0] == ABOVE, 20.0, 10.0)
    devices = whole.copy()
    hidden = np.flatnonzero(ZONES[0] == ABOVE)[:2]
    devices[hidden] = np.nan
    found = weigh({6: night(devices), 5: coarse(whole)}, census(), 6, 100)
    assert (found.source[hidden] == 5).all()
    assert np.allclose(found.weight[hidden], 20.0)
    assert np.isnan(found.coverage[hidden]).all()


def test_an_area_without_any_figure_is_left_out_and_counted() -> None:
    devices = PEOPLE / 10
    hidden = ZONES[0] == ABOVE
    devices[hidden] = np.nan
    zones = coarse(devices)
    zones.devices[0] = np.nan
    found = weigh({6: night(devices), 5: zones}, census(), 6, 100)
    assert np.isnan(found.weight[hidden]).all()
    assert (found.source[hidden] == -1).all()
    said = told(found)
    assert said["areas_with_a_weight"] == (~hidden).sum()
    assert said["census_covered"] == f"{100 * PEOPLE[~hidden].sum() / PEOPLE.sum():.1f} %"
    assert len(table(found).splitlines()) == 1 + (~hidden).sum()


def test_people_outside_the_region_have_no_weight_and_do_not_count_within() -> None:
    inside = ZONES[0] != ABOVE
    devices = PEOPLE / 10
    found = weigh({6: night(devices[inside], AREAS[inside]), 5: coarse(devices, ZONES)}, census(), 6, 100)
    assert np.isnan(found.weight[~inside]).all()
    assert np.allclose(found.weight[inside], 10.0)


def test_a_finer_census_is_added_up() -> None:
    fine = np.array(sorted(h3.str_to_int(c) for a in AREAS for c in h3.cell_to_children(h3.int_to_str(int(a)), 7)), dtype=np.int64)
    found = weigh({6: night(PEOPLE / 10)}, census(np.ones(len(fine)), fine), 6, 100)
    assert (found.people == 7.0).all()


def skewed(half: float, low: float = 0.5) -> Weighing:
    devices = PEOPLE / 10 * np.where(np.arange(len(AREAS)) % 2 == 0, low, 1.0)
    return weigh({6: night(devices, half=half)}, census(), 6, 100)


@pytest.mark.rule(26)
def test_a_skewed_panel_is_flagged() -> None:
    found = skewed(0.02)
    assert found.skewed
    assert found.few.sum() > 0.4 * len(AREAS)
    assert (np.flatnonzero(found.few) % 2 == 0).all()
    said = told(found)
    assert said["skewed"] is True
    assert [row["coverage_to_mean"] for row in said["lowest_coverage"]] == ["0.67"] * 5


@pytest.mark.rule(26)
def test_an_even_panel_and_one_too_noisy_to_tell_are_not() -> None:
    assert not skewed(0.02, low=1.0).skewed
    assert not skewed(0.02, low=0.9).skewed
    assert not skewed(0.9).skewed


def test_what_is_written_is_what_a_study_reads() -> None:
    lines = table(weigh({6: night(PEOPLE / 3)}, census(), 6, 100)).splitlines()
    assert lines[0] == "cell,weight"
    assert lines[1] == f"{h3.int_to_str(int(AREAS[0]))},3.0000"


@pytest.mark.parametrize(
    ("nights", "level", "people", "greatest"),
    [
        ({6: night(PEOPLE)}, 5, census(), 10),  # the release has no such level
        ({7: night(PEOPLE)}, 7, census(), 10),  # finer than usual areas may be
        ({6: night(PEOPLE)}, 6, census(np.ones(len(ZONES)), ZONES), 10),  # a census too coarse
        ({6: night(PEOPLE)}, 6, census(), 0),
        ({6: night(PEOPLE)}, 6, census(), 100_001),
        ({6: night(np.full(len(AREAS), np.nan))}, 6, census(), 10),  # no figure at all
        ({6: night(PEOPLE[:3], AREAS[:3])}, 6, census(PEOPLE[3:], AREAS[3:]), 10),  # another region
    ],
)
def test_what_can_t_be_weighed_is_refused(nights: dict[int, Night], level: int, people: Census, greatest: int) -> None:
    with pytest.raises(ConfigError) as refused:
        weigh(nights, people, level, greatest)
    assert refused.value.code == "CENSUS_NO_WEIGHTS"
