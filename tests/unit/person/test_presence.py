"""Presence: holds, slots, ties."""

from __future__ import annotations

from typing import Any

from tests.conformance.worlds import CELLS, HOUR, MINUTE, START, Row, make_rules, table

from flockwise.person import contributions

OUTSIDE = 0x870000000FFFFFF


def ping(t: int, cell: int, device: int = 1) -> Row:
    return (device, device, START + t, 40_700_000, -74_000_000, -1, cell if cell == OUTSIDE else int(CELLS[cell]))


def present(rows: list[Row], **changes: Any) -> list[tuple[int, int, int]]:
    """Cell, slot, devices."""
    rules = make_rules(**changes)
    out = contributions(table(rows), rules).to_pylist()
    slots = rules.presence.slots  # type: ignore[union-attr]
    return [(r["key"] // slots, r["key"] % slots, r["value"] / 256) for r in out if r["block"] == 0]


def test_a_ping_holds_for_the_greatest_hold() -> None:
    assert present([ping(30 * MINUTE, 2)]) == [(2, 0, 1), (2, 1, 1)]
    assert present([ping(0, 2)]) == [(2, 0, 1)]
    assert present([ping(1, 2)]) == [(2, 0, 1), (2, 1, 1)]


def test_until_the_next_kept_ping_and_the_longest_cell_wins() -> None:
    assert present([ping(0, 2), ping(20 * MINUTE, 3)]) == [(3, 0, 1), (3, 1, 1)]


def test_time_in_one_cell_adds_up() -> None:
    assert present([ping(0, 2), ping(20 * MINUTE, 3), ping(45 * MINUTE, 2), ping(60 * MINUTE - 1, 3)], hold_us=20 * MINUTE)[0] == (2, 0, 1)


def test_ties_go_to_the_smaller_cell() -> None:
    assert present([ping(0, 5), ping(30 * MINUTE, 4), ping(HOUR, 6)], hold_us=30 * MINUTE) == [(4, 0, 1), (6, 1, 1)]


def test_cells_outside_the_domain_are_passed_over_but_end_a_hold() -> None:
    assert present([ping(50 * MINUTE, 2), ping(55 * MINUTE, OUTSIDE)]) == [(2, 0, 1)]


def test_nothing_beyond_the_window() -> None:
    assert present([ping(48 * HOUR - 1, 2)]) == [(2, 47, 1)]


def test_devices_add_up() -> None:
    assert present([ping(0, 2, device) for device in range(3)]) == [(2, 0, 3)]


def test_a_long_hold_fills_short_slots() -> None:
    out = present([ping(0, 2)], slot_us=5 * MINUTE, hold_us=3 * HOUR)
    assert out == [(2, slot, 1) for slot in range(36)]
