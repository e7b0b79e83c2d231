"""The page of an assessment: plain HTML and SVG, no script, no request. It holds what the table and the certificate hold and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from html import escape
from typing import Any

from flockwise.base.page import BRAND, plain_page
from flockwise.risk.chart import count, curves, percent, place_label, points_bars, small_sets, view_label
from flockwise.risk.table import Row

__all__ = ["page"]

FEW = 8
"""In smaller groups nearly anything singles out."""


def page(certificate: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page as HTML text.

    Args:
        certificate: what the assessment promises.
        rows: every published figure.
    """
    title = f"Disclosure risk of {certificate['study']}"
    return plain_page(
        title,
        f"""{_head(certificate, title)}
{_facts(certificate, rows)}
{_curves(certificate, rows)}
<div class="two">
{_sets(certificate, rows)}
{_points(certificate, rows)}
</div>
{_tables(rows)}
{_guarantee(certificate)}
""",
    )


def _of(rows: Sequence[Row], figure: str) -> list[Row]:
    return [r for r in rows if r.figure == figure]


def _head(certificate: Mapping[str, Any], title: str) -> str:
    window = certificate["window"]
    days = f"{window['days']} day{'s' if window['days'] != 1 else ''} from {window['first_day']}, {window['timezone']}"
    return f"""<header>{BRAND}
<div class="masthead"><div><h1>{escape(title)}</h1>
<p class="where">What these pings would reveal if they leaked without names.<br>{escape(days)}</p></div>
<div class="promise"><p>{escape(certificate["meaning"][0])}</p><small><a href="#guarantee">What is promised, and what is not</a></small></div></div></header>"""


def _facts(certificate: Mapping[str, Any], rows: Sequence[Row]) -> str:
    curve = _of(rows, "singled_out")
    four = next(r for r in curve if r.points == 4)
    alone = next(r for r in _of(rows, "in_small_sets") if r.places == 2 and r.bin == "1")
    privacy = certificate["privacy"]
    facts = (
        ("Singled out by 4 random points", percent(four.value), f"{_between(four)}; {view_label(four)}; in groups of {_group(rows, four)}"),
        ("Alone with their top 2 places", percent(alone.value), f"{_between(alone)}; cells of {place_label(alone).split(' of ')[1]}, whole panel"),
        ("Devices with a point", count(rows[0].value), f"90 %: {count(rows[0].lower)} to {count(rows[0].upper)}"),
        ("Privacy budget", f"ε = {privacy['epsilon']}", f"δ = {_exact(privacy['delta'])}, for one device over the whole window; charged once"),
    )
    items = "".join(f'<div><dt>{escape(a)}</dt><dd class="value">{escape(b)}</dd><dd class="more">{escape(c)}</dd></div>' for a, b, c in facts)
    return f'<dl class="facts" aria-label="Key figures">{items}</dl>'


def _exact(text: str) -> str:
    value = Fraction(text)
    return f"1 in {value.denominator:,}" if value.numerator == 1 else text


def _between(row: Row) -> str:
    return "not known" if row.value is None else f"90 %: {percent(row.lower)} to {percent(row.upper)}"


def _group(rows: Sequence[Row], row: Row) -> str:
    """The size of a group in words, from the noisy number of devices."""
    devices = rows[0].value or 0.0
    size = round(devices / (row.groups or 1))
    return f"about {size:,} device{'s' if size != 1 else ''}" + (" (too few to say much)" if size < FEW else "")


def _curves(certificate: Mapping[str, Any], rows: Sequence[Row]) -> str:
    curve = _of(rows, "singled_out")
    panels = []
    for groups in dict.fromkeys(r.groups for r in curve):
        chosen = [r for r in curve if r.groups == groups]
        title = f"{groups:,} groups of {_group(rows, chosen[0])}"
        panels.append(f'<figure><figcaption>{escape(title)}</figcaption><div class="wide">{curves(chosen, title)}</div></figure>')
    reading = certificate["reading"]
    return f"""<section class="card" aria-labelledby="curve"><h2 id="curve">How few points single a device out of its group</h2>
<p class="note">{escape(reading["singled_out"])} {escape(reading["point"])} Bands are 90 % intervals. Point at a line, or step to it with the Tab key, for its
values.</p>
<div class="panels">{"".join(panels)}</div></section>"""


def _sets(certificate: Mapping[str, Any], rows: Sequence[Row]) -> str:
    return f"""<section class="card" aria-labelledby="sets"><h2 id="sets">Who shares a device's top places</h2>
<p class="note">{escape(certificate["reading"]["in_small_sets"])}</p>
<div class="wide">{small_sets(_of(rows, "in_small_sets"))}</div></section>"""


def _points(certificate: Mapping[str, Any], rows: Sequence[Row]) -> str:
    reading, found = certificate["reading"], _of(rows, "points")
    return f"""<section class="card" aria-labelledby="points"><h2 id="points">Points a device</h2>
<p class="note">{escape(reading["points"])} ({escape(view_label(found[0]))}). {escape(reading["interval"])}</p>
<div class="wide">{points_bars(found)}</div></section>"""


def _tables(rows: Sequence[Row]) -> str:
    curve = [
        (f"{r.groups:,}" if r.groups else "", view_label(r), str(r.points), percent(r.value), f"{percent(r.lower)} to {percent(r.upper)}")
        for r in _of(rows, "singled_out")
    ]
    small = [(place_label(r), r.bin or "", percent(r.value), f"{percent(r.lower)} to {percent(r.upper)}") for r in _of(rows, "in_small_sets")]
    sets = [(place_label(r), r.bin or "", count(r.value), f"{count(r.lower)} to {count(r.upper)}") for r in _of(rows, "place_sets")]
    points = [(r.bin or "", count(r.value), f"{count(r.lower)} to {count(r.upper)}") for r in _of(rows, "points")]
    return f"""<section class="card" aria-labelledby="tables"><h2 id="tables">All figures as tables</h2>
{_table("Singled out by random points", ("Groups", "Resolution", "Points", "Share", "90 % interval"), curve)}
{_table("Devices in small sets of top places", ("Set", "Members", "Share", "90 % interval"), small)}
{_table("Sets of top places by number of members", ("Set", "Members", "Sets", "90 % interval"), sets)}
{_table("Devices by number of points", ("Points", "Devices", "90 % interval"), points)}</section>"""


def _table(name: str, head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in line) + "</tr>" for line in body)
    label = escape(name)
    return (
        f'<details><summary>{label}</summary><div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div></details>"
    )


def _guarantee(certificate: Mapping[str, Any]) -> str:
    meaning = "".join(f"<p>{escape(s)}</p>" for s in certificate["meaning"])
    limits = "".join(f"<li>{escape(s)}</li>" for s in certificate["limits"])
    privacy, supplier = certificate["privacy"], certificate["supplier"]
    pairs = (
        ("Purpose", (certificate["purpose"] or "not declared").replace("-", " ")),
        ("Supplier", f"{supplier['name']}, assessed on {supplier['assessed']}" if supplier else "no record"),
        ("Unit", certificate["unit"]), ("Neighbours", certificate["neighbours"]), ("ρ (rho)", privacy["rho"]), ("Definition", privacy["definition"]),
        ("Mechanism", privacy["mechanism"]), ("Bound on one device", certificate["bounds"]["statement"]),
    )  # fmt: skip
    method = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in pairs)
    return f"""<div class="two"><section class="card" id="guarantee" aria-labelledby="promise"><h2 id="promise">What is promised</h2>
<div class="prose">{meaning}</div><h2 class="gap">What is not promised</h2><div class="prose"><ul>{limits}</ul></div></section>
<section class="card" aria-labelledby="method"><h2 id="method">Method</h2><dl class="method">{method}</dl></section></div>
<footer class="note">All figures are in <code>risk.csv</code>; <code>risk.json</code> holds the terms. Plan <code>{escape(certificate["plan"])}</code>.
This page asks nothing of any server and holds nothing about a device.</footer>"""
