"""One report and one headless Chromium for all browser tests. Nothing is skipped: without a browser they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.browser import chromium, fixture

from flockwise import report

ALLOWED = ("file:", "blob:", "data:")
# Drawing on the processor is most of the time of these tests: those that are not about the map run without it.
NO_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) { return /webgl/.test(kind) ? null : get.call(this, kind, ...rest); };"""


@dataclass
class Opened:
    """A page, and what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.write(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def built(artifact: Path) -> Path:
    return report.build(artifact)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.executable()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(path), args=chromium.ARGUMENTS, env=chromium.environment(path))
        yield launched
        launched.close()


@pytest.fixture
def open_report(browser: Browser, built: Path) -> Iterator[Callable[..., Opened]]:
    contexts: list[BrowserContext] = []

    def start(path: Path = built, *, webgl: bool = True, **options: Any) -> Opened:
        context = browser.new_context(offline=True, viewport=options.pop("viewport", {"width": 1100, "height": 800}), **options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        if not webgl:
            context.add_init_script(NO_WEBGL)
        page = context.new_page()
        opened = Opened(page)
        context.route(lambda url: not url.startswith(ALLOWED), lambda route: route.abort())
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("websocket", lambda socket: opened.requests.append(socket.url))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.goto(path.as_uri())
        page.wait_for_selector("#flockwise-app[data-ready]")
        page.wait_for_selector("#map[data-ready]" if webgl else "#no-map")
        return opened

    yield start
    for context in contexts:
        context.close()
