"""`flockwise plan` and its page: no data, no charge, no script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import api
from flockwise.cli import main
from flockwise.errors import ConfigError

Make = Callable[..., Path]


def test_it_needs_no_data_and_makes_nothing_but_its_page(study: Make, tmp_path: Path) -> None:
    path = study()
    api.plan(path, out=tmp_path / "plan.html", variants=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan.html", "study.toml"]


def test_it_leaves_store_and_ledger_as_they_were(own_world: World) -> None:
    def content() -> dict[str, bytes]:
        return {str(p.relative_to(own_world.root)): p.read_bytes() for p in own_world.root.rglob("*") if p.is_file()}

    before = content()
    told = api.plan(own_world.study, devices=2000, variants=False).as_dict()
    assert content() == before
    assert told["ledger"]["left_rho_after"] != told["ledger"]["charge_rho"]
    for file in own_world.root.rglob("pings.store"):
        assert file.exists()


def test_the_page_has_no_script_and_its_styles_are_the_ones_allowed(study: Make, tmp_path: Path) -> None:
    api.plan(study(), out=tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"\son\w+=", page)
    assert not re.search(r"(src|href)=\"(?!data:,)", page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"sha256-{digest}" in page
    assert "style=" not in page


def test_every_plot_is_a_drawing_that_can_be_read_without_seeing_it(study: Make, tmp_path: Path) -> None:
    api.plan(study(), out=tmp_path / "plan.html")
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    plots = [ET.fromstring(p) for p in re.findall(r"<svg viewBox=\"0 0 380.*?</svg>", page, re.DOTALL)]
    assert len(plots) == 4
    for plot in plots:
        curves = [g for g in plot.iter("g") if g.get("role") == "img"]
        assert curves
        for curve in curves:
            assert curve.get("tabindex") == "0"
            label = curve.get("aria-label") or ""
            assert re.search(r"resolution \d\. Expected relative error: epsilon 0.25: .* %.*; epsilon 0.5: .* %.*; epsilon 1: .* %", label)
            spans = [line for line in curve.iter("line") if line.get("class") == "span"]
            # Flows say how releases differ, in words as well; presence hardly varies.
            assert len(spans) == len(re.findall(r" % \(\S+ % to \S+ %\)", label)) in (0, 4)
        width, height = (float(x) for x in (plot.get("viewBox") or "").split()[2:])
        for circle in plot.iter("circle"):
            assert 0 <= float(circle.get("cx") or -1) <= width
            assert 0 <= float(circle.get("cy") or -1) <= height


def test_names_are_escaped(study: Make, tmp_path: Path) -> None:
    api.plan(study(('dataset = "people"', 'dataset = "people"')), out=tmp_path / "plan.html", variants=False)
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "<h1>What to expect of Planned</h1>" in page
    assert "Expected error by epsilon" not in page  # one epsilon makes no curve


def test_the_command_prints_one_object(study: Make) -> None:
    done = CliRunner().invoke(main, ["plan", str(study()), "--devices", "5000", "--only-this", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {(r["table"], r["level"]) for r in told["tables"]} >= {("presence", 7), ("flows", 6), ("margins", 5)}
    assert set(told["tables"][0]) == {"table", "level", "noise_sd", "expected_error", "eight_releases_in_ten", "figures_printed", "figures"}
    assert told["other_settings"] == []
    assert told["notes"] == ["No data was read and nothing was charged."]


def test_the_same_command_prints_the_same(study: Make) -> None:
    path = study()
    first, second = (CliRunner().invoke(main, ["plan", str(path), "--json"]).stdout for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "wrong", [{"devices": 0}, {"devices": -5}, {"seen": 0.0}, {"seen": 1.01}, {"seen": float("nan")}, {"trips": 0.0}, {"trips": 101.0}, {"trips": float("nan")}]
)
def test_assumptions_out_of_range_are_refused(study: Make, tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError) as refused:
        api.plan(study(), out=tmp_path / "plan.html", **wrong)  # type: ignore[arg-type]
    assert refused.value.code == "PLAN_ASSUMPTION"
    assert not (tmp_path / "plan.html").exists()


def test_a_release_that_the_ledger_has_no_room_for_is_said_to_be_refused(study: Make) -> None:
    told = api.plan(study(('lifetime_epsilon = "4"', 'lifetime_epsilon = "1/2"')), variants=False)
    assert told.notes == ("The ledger has too little left for this release: it would be refused.",)
