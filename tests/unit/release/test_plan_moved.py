"""Where a study lies is no part of its plan: a folder that was moved is not charged a second time."""

from __future__ import annotations

from tests.conftest import World

from flockwise import config
from flockwise.release.planning import make_plan


def test_a_study_that_was_moved_has_the_same_plan(small_world: World, own_world: World) -> None:
    first, moved = config.load(small_world.study), config.load(own_world.study)
    assert first.places is not None
    assert moved.places is not None
    assert first.places.file != moved.places.file
    assert make_plan(first).digest == make_plan(moved).digest
