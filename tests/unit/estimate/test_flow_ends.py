"""Zones' ratios differ as their shares of heavy devices do; ends of intervals go by level and size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from flockwise.estimate.flow_ends import OF_MARGINS, OF_PAIRS, REACH, ends_at, of_panel
from flockwise.estimate.flow_rescale import ratios

from .flow_worlds import make_flows


def test_ratios_are_the_less_sure_the_more_shares_of_heavy_devices_differ() -> None:
    everyone, heavy, _, _ = make_flows(64, 1, 2, 5, sigma=5.0, size=60.0, heavy=True, totals=True, ratio=1.5, heavy_ratio=6.0)
    assert heavy is not None

    def unsure(differ: float) -> list[float]:
        part = heavy[0]
        of = 0.1 * (1.0 + differ * (np.arange(64) % 2 - 0.5))[:, None]
        whole = everyone[0]
        assert whole.departures is not None
        assert whole.arrivals is not None
        # Totals so noisy that they tell nothing.
        noisy = [dataclasses.replace(level, totals_sigma=1e6) for level in everyone]
        less = dataclasses.replace(part, departures=of * whole.departures, arrivals=of * whole.arrivals, margins_sigma=1.0, totals_sigma=1e6)
        both = ratios([dataclasses.replace(noisy[0], margins_sigma=1.0), noisy[1]], [less, dataclasses.replace(heavy[1], totals_sigma=1e6)])
        return [float(found.origin_unsure[-1].variance.mean() ** 0.5) for found in both]

    alike, apart = unsure(0.0), unsure(0.4)
    assert max(alike) < 0.03
    assert min(apart) > 0.05


@pytest.mark.parametrize("table", [OF_PAIRS, OF_MARGINS])
def test_ends_go_by_size_and_the_last_level_stands_for_coarser_ones(table: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]) -> None:
    sizes = np.geomspace(1e-6, 1e6, 200)
    for above, (lower, upper) in enumerate(table):
        down, up = ends_at(table, above, sizes, 1.0)
        assert down[[0, -1]] == pytest.approx([REACH * lower[0], REACH * lower[-1]])
        assert up[[0, -1]] == pytest.approx([REACH * upper[0], REACH * upper[-1]])
    assert ends_at(table, 9, sizes, 1.0)[0].tolist() == ends_at(table, len(table) - 1, sizes, 1.0)[0].tolist()
    # Sizes count in noise units, whatever a trip is.
    assert ends_at(table, 1, 7.0 * sizes, 7.0)[1] == pytest.approx(ends_at(table, 1, sizes, 1.0)[1])


def test_margins_of_larger_panels_are_wider() -> None:
    flows = np.full(100, 80.0)
    assert of_panel(flows, 50.0) == pytest.approx(1.0)
    assert of_panel(4.0 * flows, 50.0) > of_panel(flows, 50.0) > of_panel(0.25 * flows, 50.0)
    assert 0.5 < of_panel(0.0 * flows, 50.0) < of_panel(1e12 * flows, 50.0) < 2.0
