"""The page around the map: head, promise, figures and tables as plain HTML, readable without scripts and on paper."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from html import escape
from typing import Any

from flockwise import viewer
from flockwise.base.page import BRAND, csp_hash, document
from flockwise.errors import InternalError
from flockwise.report._payload import Names
from flockwise.report._read import Artifact
from flockwise.report._tables import day_table, flow_table, hours_table, levels_table, number, peak, percent, zones_table

__all__ = ["page"]


_WITHHELD = (
    "A figure is withheld when its noisy value (for present population: the estimate made from noisy values) lies "
    "below the threshold. σ is the noise that was added, in devices or trips. "
    "The typical relative error "
    "is the sum of standard errors over the sum of the figures that are published. All counts are the certificate's; of what is withheld there is no list."
)


_COVERED = (
    "About nine in ten of the printed intervals hold the trips that were counted within the bound on one device, scaled up by the ratio of noisy totals. "
    "Trips above the bound and the cap are in no interval."
)


def page(artifact: Artifact, names: Names, data: str) -> str:
    """The whole page as HTML text.

    Args:
        artifact: what was published.
        names: place names of the cells, by level.
        data: the interactive part's data, base64.
    """
    script, styles = viewer.script(), viewer.styles()
    for text, end in ((script, "</script"), (script, "<!--"), (styles, "</style")):
        if end in text.lower():
            raise InternalError("REPORT_UNSAFE_BUNDLE", what="The bundle holds text that would end its own element.", got=end, fix="Build it again.")
    certificate = artifact.certificate
    title = _text(certificate.get("study"), "name") or "Flockwise report"
    policy = f"script-src {csp_hash(script)}; style-src {csp_hash(styles)}; worker-src blob:; child-src blob:; img-src data: blob:; connect-src blob:"
    body = "\n".join(
        (
            _head(artifact, names, title),
            '<div id="flockwise-app"><noscript><p class="card">The map needs JavaScript. The tables below hold the main figures.</p></noscript></div>',
            _facts(artifact),
            _guarantee(certificate),
            _figures(artifact, names),
            _end(certificate),
        )
    )
    scripts = f'<script type="application/json" id="flockwise-data">"{data}"</script>\n<script>{script}</script>\n'
    return document(title, f"{body}\n", styles, policy, scripts)


def _text(mapping: object, key: str) -> str:
    value = mapping.get(key) if isinstance(mapping, Mapping) else None
    return value if isinstance(value, str) else ("" if value is None else json.dumps(value, ensure_ascii=False))


def _sentences(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else ([value] if isinstance(value, str) else [])


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _window(certificate: Mapping[str, Any]) -> str:
    window = certificate.get("window")
    try:
        first = date.fromisoformat((_text(window, "first_day") or _text(window, "start"))[:10])
    except ValueError:
        return _text(window, "start")
    days = window.get("days") if isinstance(window, Mapping) else None
    span = _day(first)
    if isinstance(days, int) and days > 1:
        span += f" to {_day(first + timedelta(days=days - 1))} ({days} days)"
    return span


def _where(names: Names) -> str:
    """The places that hold the finest cells, most cells first."""
    finest = names[max(names)]
    counts = Counter(place for place, _ in finest if place)
    wider = sorted({w for _, w in finest if w})
    top = sorted(counts, key=lambda place: (-counts[place], place))
    shown = ", ".join(top[:5]) + (f" and {len(top) - 5} more" if len(top) > 5 else "")
    return f"{shown} ({', '.join(wider)})" if wider and shown else shown or "Region of the study"


def _head(artifact: Artifact, names: Names, title: str) -> str:
    certificate = artifact.certificate
    meaning = _sentences(certificate.get("meaning"))
    promise = f"<p>{escape(meaning[0])}</p>" if meaning else ""
    return f"""<header>
<div class="top">{BRAND}
<button type="button" class="quiet" id="theme">Dark</button></div>
<div class="masthead">
<div><h1>{escape(title)}</h1>
<p class="where">{escape(_where(names))}<br>{escape(_window(certificate))}</p></div>
<div class="promise">{promise}<small>From this release's certificate. <a href="#guarantee">What is promised, and what is not</a></small></div>
</div>
</header>"""


def _facts(artifact: Artifact) -> str:
    certificate = artifact.certificate
    privacy = certificate.get("privacy")
    facts: list[tuple[str, str, str]] = []
    busiest = peak(artifact)
    if busiest is not None:
        slot, devices = busiest
        facts.append(("Most devices present", number(round(devices)), f"{slot}; sum of the r{artifact.presence[-1].level} areas"))
    summary = _finest(artifact)
    total, error = summary.get("rows_public"), summary.get("typical_relative_error")
    level = f"r{summary.get('level')}"
    if isinstance(total, int) and total:
        share = float(summary.get("published", 0)) / total
        facts.append(("Fine figures published", percent(share), f"of {number(total)} at {level}; the rest is too thin and withheld"))
    if isinstance(error, (int, float)):
        facts.append(("How wrong a figure is", "± " + percent(error), f"typical standard error of a published figure at {level}"))
    places = certificate.get("places")
    cut = places.get("area_cut") if isinstance(places, Mapping) else None
    if isinstance(cut, (int, float)):
        facts.append(("Around sensitive places", percent(cut), "of the region's area, about: nobody there is counted in any figure"))
    delta = f"δ = {_exact(privacy, 'delta')}, for one {_unit(certificate)} over the whole window"
    facts.append(("Privacy budget", f"ε = {_text(privacy, 'epsilon')}", delta))
    items = "".join(f'<div><dt>{escape(a)}</dt><dd class="value">{escape(b)}</dd><dd class="more">{escape(c)}</dd></div>' for a, b, c in facts)
    return f'<dl class="facts" id="facts" aria-label="Key figures">{items}</dl>'


def _finest(artifact: Artifact) -> Mapping[str, Any]:
    """The certificate's summary of the finest presence table, or an empty mapping."""
    level = artifact.presence[0].level if artifact.presence else None
    found = (t for t in artifact.certificate["tables"] if isinstance(t, Mapping) and t.get("kind") == "presence" and t.get("level") == level)
    return next(found, {})


def _unit(certificate: Mapping[str, Any]) -> str:
    unit = certificate.get("unit")
    return unit if isinstance(unit, str) and len(unit) < 40 else "device"


def _exact(part: object, key: str) -> str:
    """An exact figure of the certificate; a fraction that no reader sees at a glance gets its decimals first."""
    text = _text(part, key)
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return text
    if value.denominator == 1:
        return f"{value.numerator:,}"
    if value.numerator == 1 and value.denominator >= 1000:
        return f"1 in {value.denominator:,}"
    return f"{float(value):.5g}"


def _list(sentences: Iterable[str], kind: str) -> str:
    return "<ul>" + "".join(f'<li data-from="{kind}">{escape(s)}</li>' for s in sentences) + "</ul>"


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return '<dl class="method">' + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in pairs if b) + "</dl>"


def _guarantee(certificate: Mapping[str, Any]) -> str:
    privacy, year, window = (certificate.get(key) for key in ("privacy", "year", "window"))
    meaning = "".join(f'<p data-from="meaning">{escape(s)}</p>' for s in _sentences(certificate.get("meaning")))
    yearly = "".join(f'<p data-from="year">{escape(s)}</p>' for s in _sentences(year.get("meaning") if isinstance(year, Mapping) else None))
    limits = _sentences(certificate.get("limits"))
    of_year = (f"{sign} {_exact(year, key)}" for sign, key in (("windows:", "windows"), ("ρ", "rho"), ("ε", "epsilon")) if _text(year, key))
    bounds = certificate.get("bounds")
    figures = [
        ("Unit", _text(certificate, "unit")),
        ("Neighbours", _text(certificate, "neighbours")),
        ("Window", _window(certificate)),
        ("Time zone", _text(window, "timezone")),
        ("ε (epsilon)", _exact(privacy, "epsilon")),
        ("δ (delta)", _exact(privacy, "delta")),
        ("ρ (rho)", _exact(privacy, "rho")),
        ("Definition", _text(privacy, "definition")),
        ("Mechanism", _text(privacy, "mechanism")),
        ("Bound on one device", _text(bounds, "statement")),
        ("A year of such windows", ", ".join(of_year)),
        ("Retention", _text(certificate, "retention")),
    ]
    return f"""<div class="two">
<section class="card" id="guarantee" aria-labelledby="guarantee-title"><h2 id="guarantee-title">What is promised</h2>
<div class="prose" id="meaning">{meaning}{yearly}</div>
<h2 class="gap">What is not promised</h2>
<div class="prose">{_list(limits, "limits")}</div></section>
<section class="card" aria-labelledby="method-title"><h2 id="method-title">Method in figures</h2>
{_rows(figures)}</section>
</div>"""


def _figures(artifact: Artifact, names: Names) -> str:
    hours = hours_table(artifact)
    parts = [
        '<section class="card" aria-labelledby="quality-title"><h2 id="quality-title">How much is withheld, and how wrong a figure is</h2>',
        f'<p class="note">{_WITHHELD}</p>',
        levels_table(artifact.certificate["tables"]),
        "</section>",
        '<section class="card" aria-labelledby="tables-title"><h2 id="tables-title">The main figures as tables</h2>',
    ]
    if hours:
        parts.append(f"<details><summary>Devices present in the whole region, by hour and day</summary>{hours}</details>")
        parts.append(f"<details><summary>Largest areas (r{artifact.presence[-1].level}) at the busiest time</summary>{zones_table(artifact, names)}</details>")
    if artifact.typical_day:
        parts.append(f"<details><summary>Devices present in the whole region on the typical day</summary>{day_table(artifact)}</details>")
    if artifact.flows:
        parts.append(f"<details><summary>Largest flows (r{artifact.flows[-1].level})</summary>{flow_table(artifact, names)}<p>{_COVERED}</p></details>")
    parts.append("</section>")
    return "\n".join(parts)


def _end(certificate: Mapping[str, Any]) -> str:
    files = certificate.get("files")
    listed = sorted(files) if isinstance(files, Mapping) else []
    named = ", ".join(f"<code>{escape(str(f))}</code>" for f in listed if str(f).endswith(".parquet"))
    study, versions = certificate.get("study"), certificate.get("versions")
    version = _text(versions, "flockwise")
    return f"""<footer class="card end">
<p>All published figures, with their intervals, are beside this page as GeoParquet: {named or "<code>*.parquet</code>"}.
<code>certificate.json</code> holds the terms; <code>flockwise verify</code> checks that nothing was changed.</p>
<p>Study digest <code>{escape(_text(study, "digest"))}</code>{f" · Flockwise {escape(version)}" if version else ""} · This page asks nothing of any server.</p>
</footer>"""
