"""The page of a forecast: plain HTML and SVG, no script, no request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flockwise import release
from flockwise.base.page import BRAND, plain_page
from flockwise.forecast.chart import curves, percent, span
from flockwise.forecast.facts import Expected, Facts
from flockwise.forecast.variants import Variant

__all__ = ["page"]

_TABLES = {"presence": "Present population", "typical_day": "Typical day", "flows": "Flows", "margins": "Departures and arrivals"}
_UNITS = {"presence": "devices", "typical_day": "devices", "flows": "trips", "margins": "trips"}


def page(plan: release.Plan, facts: Facts, epsilons: Sequence[Variant], others: Sequence[Variant], budget: Sequence[tuple[str, str]]) -> str:
    """The page as HTML text.

    Args:
        plan: the study's plan.
        facts: what was assumed of the panel.
        epsilons: the study under several epsilons, its own among them.
        others: other zones and slots.
        budget: what the ledger would hold, names and values.
    """
    study = plan.study
    own = next(v for v in epsilons if v.epsilon == study.privacy.epsilon)
    title = f"What to expect of {study.name}"
    days = f"{study.window.days} days from {study.window.start}, {study.window.timezone}"
    return plain_page(
        title,
        f"""<header>{BRAND}
<div class="masthead"><div><h1>{escape(title)}</h1><p class="where">Before any data is read and before any budget is spent.<br>{escape(days)}</p></div>
<div class="promise"><p>{escape(_sentence(release.promise(plan)))}</p>
<small>No data was read for this page. The errors are those of a population made of public facts.</small></div></div></header>
<dl class="facts">{"".join(f'<div><dt>{escape(k)}</dt><dd class="value">{escape(v)}</dd></div>' for k, v in budget)}</dl>
{_plots(epsilons, own)}<section class="card"><h2>This study, and what other settings would give</h2>{_table(own, epsilons, others)}</section>
<section class="card"><h2>What was assumed</h2><div class="prose"><p>{_assumed(facts)}</p>
<p>Noise of the release's size was added to made-up figures, and estimated from them as from a release's. Where real places are rougher, or people
travel otherwise, errors will differ.</p><p>They are errors against what the panel shows, not against the population:
who is not in the panel is in no figure.</p></div></section>
""",
    )


def _plots(epsilons: Sequence[Variant], own: Variant) -> str:
    """The card of plots; none if one epsilon was tried, which makes no curve."""
    if len(epsilons) < 2:
        return ""
    plots = "".join(
        f'<figure><figcaption>{name}</figcaption><div class="wide">{curves(kind, epsilons, float(own.epsilon))}</div></figure>'
        for kind, name in _TABLES.items()
        if any(e.table == kind and e.relative_error is not None for e in own.found)
    )
    return f"""<section class="card"><h2>Expected error by epsilon</h2>
<p class="note">Relative error: the sum of all errors over the sum of all true figures of a table at a level; a pair of zones that is not printed
counts as an error of its whole size. The mean over releases; upright lines hold eight releases in ten, which differ by the luck of their noise.
Both axes have equal steps of proportion.</p><div class="panels">{plots}</div></section>
"""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _assumed(facts: Facts) -> str:
    return (
        f"{facts.devices:,} devices, each seen in {100 * facts.seen:.0f} % of the slots, with {facts.trips:g} trips a day in the pings. Cells differ as "
        "in and around a large city, people go from home to elsewhere by day, other devices are seen from hour to hour, and trips become rarer with distance. "
        "None of it comes from the data."
    )


def _table(own: Variant, epsilons: Sequence[Variant], others: Sequence[Variant]) -> str:
    names = [(e.table, e.level) for e in own.found]
    head = "".join(f'<th scope="col">{_TABLES[t]}, r{level}</th>' for t, level in names)
    rows = [_row("This study", own, own), *(_row(v.change, v, own) for v in (*epsilons, *others) if v is not own)]
    noise = "".join(_cell(f"{e.noise_sd:,.1f} {_UNITS[e.table]}") for e in own.found)
    spans = "".join(_cell(span(e) or "hardly varies" if e.relative_error is not None else "not known") for e in own.found)
    printed = "".join(_cell("not known" if e.printed is None else f"{e.printed:,} of {e.rows:,}") for e in own.found)
    named = (("Eight releases in ten", spans), ("Noise (standard deviation)", noise), ("Figures printed, about", printed))
    more = "".join(f'<tr><th scope="row">{name}</th>{cells}</tr>' for name, cells in named)
    body = rows[0] + more + "".join(rows[1:])
    return f'<div class="wide"><table><thead><tr><th scope="col">Expected relative error</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(name: str, variant: Variant, own: Variant) -> str:
    """A row in the columns of the study as it is; what a change leaves as it was is not said again, and levels that it adds are named."""
    found: dict[tuple[str, int], Expected] = {(e.table, e.level): e for e in variant.found}
    cells = ""
    for mine in own.found:
        theirs = found.pop((mine.table, mine.level), None)
        cells += _cell("–" if theirs is None else "same" if theirs == mine and variant is not own else percent(theirs.relative_error))
    more = ", ".join(f"{_TABLES[e.table].lower()}, r{e.level}: {percent(e.relative_error)}" for e in found.values())
    return f'<tr><th scope="row">{escape(f"{name} ({more})" if more else name)}</th>{cells}</tr>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"
