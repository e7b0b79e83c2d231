"""Worlds that several tests share: made once a worker, never changed by a test."""

from __future__ import annotations

import os
import runpy
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from tests import rulebook

from flockwise import api

START = date(2026, 5, 4)
DAY = Path(__file__).parent / "day"

# Before a test runs or starts a process.
runpy.run_path(str(DAY / "sitecustomize.py"))
if str(DAY) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(DAY), os.environ.get("PYTHONPATH"))))


def pytest_configure(config: pytest.Config) -> None:
    """A whole run fails unless the rules were shown (tests/rulebook.py)."""
    config.pluginmanager.register(rulebook.Watch(config))


@dataclass(frozen=True)
class World:
    """A small simulated study, ingested and released."""

    root: Path

    @property
    def study(self) -> Path:
        return self.root / "study.toml"

    @property
    def pings(self) -> Path:
        return self.root / "world" / "pings"

    @property
    def published(self) -> Path:
        return self.root / "published"


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """2,000 devices and two days, released once, with a report. Read only."""
    world = World(tmp_path_factory.mktemp("small"))
    api.simulate(world.root / "world", devices=2000, start=START, days=2, seed=5)
    api.init(
        world.study,
        name="Small world",
        pings=world.pings / "part-000.parquet",
        region=world.root / "world" / "region.geojson",
        start=START,
        days=2,
        timezone="America/New_York",
        purpose="transport-planning",
        supplier=world.root / "world" / "supplier.toml",
        places=world.root / "world" / "places.parquet",
        gatherings=world.root / "world" / "gatherings.csv",
    )
    api.places_review(world.study, "a test")
    api.ingest(world.study, [str(world.pings)])
    api.release(world.study, world.published)
    api.report(world.published)
    return world


@pytest.fixture
def own_world(small_world: World, tmp_path: Path) -> World:
    """A copy of the small world that a test may change."""
    shutil.copytree(small_world.root, tmp_path / "own", symlinks=True)
    return World(tmp_path / "own")


@pytest.fixture
def edited(own_world: World) -> Callable[[str, str], World]:
    """The copy, with a text in its study file replaced."""

    def edit(old: str, new: str) -> World:
        text = own_world.study.read_text(encoding="utf-8")
        assert old in text
        own_world.study.write_text(text.replace(old, new, 1), encoding="utf-8")
        return own_world

    return edit
