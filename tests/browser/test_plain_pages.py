"""The pages of a plan and of an assessment in a headless Chromium: no request, no script, light and dark, readable by keyboard and on a narrow screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.conftest import World

from flockwise import api

PAGES = ("plan", "risk")


@pytest.fixture(scope="session")
def pages(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(small_world.root, folder / "own", symlinks=True)  # an assessment is charged, and the small world is everybody's
    own = World(folder / "own")
    api.plan(own.study, out=folder / "plan.html")
    api.risk(own.study, folder / "risk", epsilon="1")
    return {"plan": folder / "plan.html", "risk": folder / "risk" / "risk.html"}


@pytest.fixture(params=[(name, scheme) for name in PAGES for scheme in ("light", "dark")], ids="-".join)
def opened(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[tuple[Page, str, list[str]]]:
    """A page, its scheme, and what it asked for and complained of."""
    name, scheme = request.param
    context = browser.new_context(offline=True, viewport={"width": 1100, "height": 800}, color_scheme=scheme)
    page, heard = context.new_page(), []
    page.on("request", lambda asked: heard.append(asked.url))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(pages[name].as_uri())
    yield page, scheme, heard
    context.close()


def light(page: Page, part: str, what: str) -> float:
    """How light a colour of a part is, 0 to 255."""
    found = page.locator(part).first.evaluate(f"e => getComputedStyle(e).{what}.match(/[0-9.]+/g).slice(0, 3).map(Number)")
    return float(sum(c * w for c, w in zip(found, (0.299, 0.587, 0.114), strict=True)))


def test_nothing_is_asked_for_and_nothing_runs(opened: tuple[Page, str, list[str]]) -> None:
    page, _, heard = opened
    assert [url for url in heard if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in heard) == 1
    assert page.locator("script").count() == 0
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_light_and_dark_are_what_was_asked_for_and_text_can_be_read(opened: tuple[Page, str, list[str]]) -> None:
    page, scheme, _ = opened
    ground = light(page, "body", "backgroundColor")
    assert (ground > 200) == (scheme == "light")
    assert (ground < 60) == (scheme == "dark")
    for part in ("h1", "h2", "td", ".note, .prose p"):
        assert abs(light(page, part, "color") - ground) > 80, part


def test_the_keyboard_reaches_what_can_be_reached_and_shows_where_it_is(opened: tuple[Page, str, list[str]]) -> None:
    page, _, _ = opened
    stops = page.locator("a[href], [tabindex='0'], summary").count()
    assert stops > 0
    seen = 0
    for _ in range(min(stops, 12)):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => { const e = document.activeElement; if (e === document.body) return null;
            // A curve shows it by a thicker line and its values, while the others fade.
            if (e.matches('.curve')) return getComputedStyle(e.querySelector('.line')).strokeWidth === '4px'
                && getComputedStyle(e.querySelector('.values')).visibility === 'visible';
            const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1; }"""
        )
        if shown is not None:
            assert shown, page.evaluate("document.activeElement.outerHTML.slice(0, 80)")
            seen += 1
    assert seen


def test_a_narrow_screen_scrolls_tables_and_not_the_page(opened: tuple[Page, str, list[str]]) -> None:
    page, _, _ = opened
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_is_drawn_has_a_name(opened: tuple[Page, str, list[str]]) -> None:
    page, _, _ = opened
    assert page.locator("svg[role='img'], svg [role='img'], svg[aria-hidden='true']").count() > 0
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("[role='img']")].filter(e => !(e.getAttribute('aria-label') || e.querySelector('title'))).length"""
    )
    assert unnamed == 0
    assert page.locator("h1").count() == 1
    assert page.locator("html[lang]").count() == 1
    assert all(page.locator("table").nth(i).locator("th[scope]").count() for i in range(page.locator("table").count()))
