"""The report in a headless Chromium, opened from a file with the network cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import Page, expect
from tests.browser import fixture
from tests.browser.conftest import ALLOWED, Opened
from tests.browser.pixels import near, pixels

from flockwise import report

Open = Callable[..., Opened]
LIGHT = ("#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#0c2c84")


def colours(page: Page, palette: tuple[str, ...] = LIGHT) -> int:
    """Pixels of the map in the palette's colours; cells are drawn at 225/255 over the land."""
    page.wait_for_timeout(300)
    image = pixels(page.locator("#map").screenshot())
    return sum(near(image, c, 30) for c in palette[1:])


def flow_mode(page: Page) -> None:
    page.get_by_role("radio", name="Trips between areas").check(force=True)


def test_page_asks_for_nothing_and_complains_of_nothing(open_report: Open) -> None:
    opened = open_report()
    page = opened.page
    flow_mode(page)
    page.get_by_role("radio", name="Present population").check(force=True)
    page.wait_for_timeout(500)
    assert opened.requests
    assert [url for url in opened.requests if not url.startswith(ALLOWED)] == []
    assert opened.complaints == []
    assert page.evaluate("performance.getEntriesByType('resource').filter(e => !/^(blob|data):/.test(e.name)).length") == 0
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content") or ""
    assert "default-src 'none'" in policy
    assert "connect-src blob:" in policy
    assert "http" not in policy


def test_policy_would_stop_a_request(open_report: Open) -> None:
    page = open_report(webgl=False).page
    image = """new Promise(done => { const i = new Image(); i.onload = () => done('sent'); i.onerror = () => done('stopped');
        i.src = 'https://example.invalid/i.png'; })"""
    assert page.evaluate("fetch('https://example.invalid/').then(() => 'sent', e => 'stopped')") == "stopped"
    assert page.evaluate(image) == "stopped"


def test_map_draws_cells_and_flows(open_report: Open) -> None:
    page = open_report().page
    assert colours(page) > 8_000
    flow_mode(page)
    page.wait_for_timeout(500)
    image = pixels(page.locator("#map").screenshot())
    assert colours(page) < 500
    assert near(image, "#7a1e68", 24) > 300


def test_play_advances_and_pause_stops(open_report: Open) -> None:
    page = open_report().page
    label = page.locator("#slot-label")
    first = label.inner_text()
    assert first == "Monday 3 March, 08:00–09:00"
    before = page.locator("#map").screenshot()
    page.get_by_role("button", name="Play").click()
    expect(label).to_have_text("Monday 3 March, 10:00–11:00", timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    stopped = label.inner_text()
    page.wait_for_timeout(1_500)
    assert label.inner_text() == stopped
    assert page.locator("#map").screenshot() != before


def test_the_typical_day_is_one_switch_away(open_report: Open, artifact: Path) -> None:
    page = open_report(webgl=False).page
    lines = page.locator("figure polyline")
    whole = lines.first.get_attribute("points")
    page.get_by_role("radio", name="Typical day").check(force=True)
    expect(page.locator("#slot-label")).to_have_text("Typical day, 08:00–09:00")
    expect(page.locator("#coverage")).to_contain_text("Means over the days of the window.")
    assert lines.first.get_attribute("points") != whole
    assert page.locator("#slot").get_attribute("max") == "23"
    chosen = page.locator("#zone").input_value()
    level, index = (int(part) for part in chosen.split(":"))
    table = pq.read_table(artifact / "typical_day.parquet")
    rows = [r for r in table.select(["level", "cell", "slot", "devices", "lower", "upper"]).to_pylist() if r["level"] == level and r["slot"] == 8]
    row = sorted(rows, key=lambda r: str(r["cell"]))[index]
    assert f"{row['devices']:,.0f} devices" in page.locator("#readout").inner_text()
    assert f"{row['lower']:,.0f} to {row['upper']:,.0f}" in page.locator("#readout").inner_text()
    page.locator("#slot").focus()
    page.keyboard.press("End")
    expect(page.locator("#slot-label")).to_have_text("Typical day, 23:00–00:00")
    page.get_by_role("radio", name="Present population").check(force=True)
    expect(page.locator("#slot-label")).to_have_text("Monday 3 March, 23:00–00:00")
    assert lines.first.get_attribute("points") == whole


def test_what_sensitive_places_cut_is_said_for_the_region_and_for_an_area(open_report: Open) -> None:
    page = open_report(webgl=False).page
    expect(page.locator("#facts")).to_contain_text("Around sensitive places7.1 %of the region's area, about: nobody there is counted in any figure")
    values = page.locator("#zone option").evaluate_all("options => options.map(o => [o.value, o.text])")
    digit = {value: int(text.split(" · ")[1].split(" ")[0].ljust(15, "f"), 16) >> 24 & 7 for value, text in values}
    cut, whole = (next(v for v, d in digit.items() if (d == 3) is some) for some in (True, False))
    page.locator("#zone").select_option(cut)
    expect(page.locator("#readout")).to_contain_text("About 50 % of this area lies around sensitive places: nobody there is counted")
    page.locator("#zone").select_option(whole)
    expect(page.locator("#readout")).not_to_contain_text("sensitive places")


def test_keyboard_operates_slider_and_play(open_report: Open) -> None:
    page = open_report(webgl=False).page
    page.locator("#slot").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#slot-label")).to_have_text("Monday 3 March, 09:00–10:00")
    assert page.locator("#slot").get_attribute("aria-valuetext") == "Monday 3 March, 09:00–10:00"
    page.keyboard.press("End")
    expect(page.locator("#slot-label")).to_have_text("Sunday 9 March, 23:00–00:00")
    page.locator("#play").focus()
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press("Enter")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_every_tab_stop_shows_its_focus(open_report: Open) -> None:
    page = open_report().page
    shown = """() => {
        const e = document.activeElement;
        const style = getComputedStyle(e.matches('.segments input') ? e.nextElementSibling : e);
        return [e.id || e.className || e.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; }"""
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        name, visible = page.evaluate(shown)
        seen.append(name)
        assert visible, name
    assert {"theme", "zone"} <= set(seen)


def test_choosing_a_zone_changes_series_and_readout(open_report: Open) -> None:
    page = open_report(webgl=False).page
    line = page.locator("figure").nth(1).locator("polyline").first
    before = (line.get_attribute("points"), page.locator("#zone-title").inner_text(), page.locator("#readout").inner_text())
    region = page.locator("figure").nth(0).locator("polyline").first.get_attribute("points")
    wanted = page.locator("#zone optgroup[label='Bronx, New York'] option").first.get_attribute("value")
    assert wanted
    page.locator("#zone").select_option(wanted)
    after = (line.get_attribute("points"), page.locator("#zone-title").inner_text(), page.locator("#readout").inner_text())
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert "Bronx" in after[1]
    assert "90 % interval" in after[2]
    assert page.locator("figure").nth(0).locator("polyline").first.get_attribute("points") == region
    assert page.locator("figure").nth(1).locator("polygon.band").count() >= 1


def test_pointer_shows_interval_and_click_chooses(open_report: Open) -> None:
    page = open_report().page
    box = page.locator("#map").bounding_box()
    assert box
    before = page.locator("#zone").input_value()
    tip = page.locator(".tip")
    for step in range(12):
        page.mouse.move(box["x"] + box["width"] * (0.44 + 0.012 * step), box["y"] + box["height"] * 0.62)
        page.wait_for_timeout(120)
        if tip.is_visible():
            break
    expect(tip).to_contain_text("90 % interval")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_timeout(600)
    assert page.locator("#zone").input_value() != before


def test_levels_and_withheld_are_labelled(open_report: Open) -> None:
    page = open_report(webgl=False).page
    expect(page.locator("#coverage")).to_contain_text("take the average of the larger area")
    expect(page.locator(".legend").first).to_contain_text("withheld; average of the larger area")
    page.get_by_role("radio", name="r7").check(force=True)
    expect(page.locator(".legend").first).not_to_contain_text("average of the larger area")
    expect(page.locator("#coverage")).to_contain_text("have none")
    page.get_by_role("radio", name="r5").check(force=True)
    expect(page.locator(".legend").first).to_contain_text("(r5)")
    assert (page.locator("#zone").input_value()).startswith("5:")


def test_flows_table_follows_its_controls(open_report: Open) -> None:
    page = open_report(webgl=False).page
    flow_mode(page)
    rows = page.locator(".flow-table tbody tr")
    assert rows.count() == 50
    first = rows.first.inner_text()
    page.locator("#flow-top").select_option("10")
    assert rows.count() == 10
    page.get_by_role("radio", name="15:00–19:00").check(force=True)
    assert rows.first.inner_text() != first
    page.locator("#flow-within").check()
    expect(page.locator(".flow-table")).to_contain_text("the same area")
    page.locator("#flow-level").select_option("5")
    trips = [int(t.replace(",", "")) for t in page.locator(".flow-table tbody td:nth-child(3)").all_inner_texts()]
    assert trips == sorted(trips, reverse=True)


def test_dark_and_light(open_report: Open) -> None:
    page = open_report().page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch to dark colours").click()
    dark = page.evaluate(ground)
    assert light != dark
    assert sum(int(v) for v in dark[4:-1].split(",")) < 120
    page.wait_for_timeout(400)
    assert near(pixels(page.locator("#map").screenshot()), "#0b1218", 6) > 5_000
    other = open_report(color_scheme="dark").page
    assert other.evaluate(ground) == dark


def test_text_has_contrast_in_both_themes(open_report: Open) -> None:
    script = """() => {
        const part = x => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).slice(0, 3).map(part); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = e => {
          for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (/^rgb\\(/.test(c)) return c; }
          return 'rgb(255, 255, 255)'; };
        const poor = new Set();
        for (const e of document.querySelectorAll('p, span, th, td, dt, dd, li, small, button, label, h1, h2, h3, summary, code, output, a')) {
          if (!e.offsetParent || e.closest('#map') || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
          const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) poor.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`); }
        return [...poor]; }"""
    for scheme in ("light", "dark"):
        assert open_report(webgl=False, color_scheme=scheme).page.evaluate(script) == []


def test_small_screens_do_not_scroll_sideways(open_report: Open) -> None:
    for width in (360, 390):
        page = open_report(viewport={"width": width, "height": 844}).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        flow_mode(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        map_box = page.locator("#map").bounding_box()
        assert map_box
        assert map_box["width"] >= width - 40


def test_every_sentence_of_the_guarantee_is_the_certificates(open_report: Open, artifact: Path) -> None:
    certificate = json.loads((artifact / "certificate.json").read_text(encoding="utf-8"))
    page = open_report(webgl=False).page
    shown = page.locator("#guarantee p, #guarantee li").all_inner_texts()
    assert shown == certificate["meaning"] + certificate["limits"]
    assert page.locator(".promise > p").all_inner_texts() == certificate["meaning"][:1]


def test_without_webgl_the_figures_still_stand(open_report: Open) -> None:
    opened = open_report(webgl=False)
    page = opened.page
    expect(page.locator("#no-map")).to_be_visible()
    page.locator("#slot").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#slot-label")).to_have_text("Monday 3 March, 09:00–10:00")
    assert page.locator("figure polyline").count() >= 2
    flow_mode(page)
    assert page.locator(".flow-table tbody tr").count() > 5
    assert opened.complaints == []


def test_without_scripts_the_tables_stand(open_report: Open, browser: object, built: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)  # type: ignore[attr-defined]  # Browser, given as a fixture
    page = context.new_page()
    page.goto(built.as_uri())
    assert "needs JavaScript" in page.locator("noscript").inner_text()
    assert page.locator("#quality-title + p + .scroll tbody tr").count() == 8
    context.close()


def test_print_shows_tables_and_hides_controls(open_report: Open) -> None:
    page = open_report(webgl=False, color_scheme="dark").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".toolbar")).to_be_hidden()
    expect(page.locator(".hours").first).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_text_of_the_certificate_stays_text(open_report: Open, tmp_path: Path) -> None:
    folder = fixture.write(tmp_path / "odd", counties=("36061",), days=1, name='</script></title><img src=x onerror="window.hit=1"> & "quoted"')
    opened = open_report(report.build(folder), webgl=False)
    assert opened.page.locator("h1").inner_text() == '</script></title><img src=x onerror="window.hit=1"> & "quoted"'
    assert opened.page.locator("h1 *").count() == 0
    assert opened.page.evaluate("window.hit === undefined")
    assert opened.complaints == []


def test_a_release_of_flows_alone_has_its_map(open_report: Open, tmp_path: Path) -> None:
    folder = fixture.write(tmp_path / "flows", counties=("36061", "36047"), days=1)
    (folder / "presence.parquet").unlink()
    opened = open_report(report.build(folder))
    assert opened.page.get_by_role("radio", name="Present population").count() == 0
    assert opened.page.locator(".flow-table tbody tr").count() > 3
    opened.page.wait_for_timeout(500)
    assert near(pixels(opened.page.locator("#map").screenshot()), "#7a1e68", 24) > 200
    assert opened.complaints == []


def test_a_release_with_everything_withheld_says_so(open_report: Open, tmp_path: Path) -> None:
    folder = fixture.write(tmp_path / "nothing", counties=("36061",), days=1)
    table = pq.read_table(folder / "presence.parquet")
    for name in ("devices", "lower", "upper"):
        table = table.set_column(table.schema.get_field_index(name), name, pa.nulls(table.num_rows, pa.float64()))
    status = pa.array(["withheld"] * table.num_rows).dictionary_encode()
    pq.write_table(table.set_column(table.schema.get_field_index("status"), "status", status), folder / "presence.parquet")
    (folder / "flows.parquet").unlink()
    opened = open_report(report.build(folder), webgl=False)
    assert "have none" in opened.page.locator("#coverage").inner_text()
    assert opened.page.locator("#readout").inner_text().startswith("withheld")
    assert opened.page.locator("figure polyline").count() == 0
    assert opened.complaints == []
