"""The register as a page: plain HTML, no script, no request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from flockwise.base.page import BRAND, plain_page
from flockwise.office.register.model import Register, Release, StudyEntry

__all__ = ["page"]

_NOISE = {"rounded": "rounded Gaussian (GDP)", "discrete": "discrete Gaussian (zCDP)"}
_STATUS = {"published": "published", "drawn": "drawn, not published", "charged": "charged, not published"}
_MORE = "td.text { white-space: normal; min-width: 14em; }"


def page(register: Register) -> str:
    """The page as HTML text."""
    who = ", ".join(dict.fromkeys(s.organization for s in register.studies if s.organization)) or "The publisher is not stated"
    sections = (_releases, _exposure, _recipients, _studies, _suppliers, _places, _incidents, _trails)
    return plain_page(
        "Register of releases from phone location pings",
        f"""<header>{BRAND}
<div class="masthead"><div><h1>Register of releases from phone location pings</h1><p class="where">{escape(who)}<br>As of {register.made}</p></div>
<div class="promise"><p>{escape(register.recall)}</p>
<small>The same facts are in <a href="register.json">register.json</a>, described by <a href="register.schema.json">its schema</a>.</small></div></div></header>
<dl class="facts">{"".join(f'<div><dt>{escape(k)}</dt><dd class="value">{escape(v)}</dd></div>' for k, v in _figures(register))}</dl>
{"".join(section(register) for section in sections)}""",
        _MORE + "\n",
    )


def _figures(register: Register) -> list[tuple[str, str]]:
    dearest = max((e.year_epsilon for e in register.exposures), default=None)
    return [
        ("Charges to a privacy ledger", f"{len(register.releases):,}"),
        ("Greatest epsilon of one device in a year", "none" if dearest is None else f"{dearest:.3g}"),
        ("Recipients", f"{len({r.name for release in register.releases for r in release.recipients}):,}"),
        ("Incidents", f"{len(register.incidents):,}"),
    ]


def _releases(register: Register) -> str:
    def row(r: Release) -> list[str]:
        window = "not noted" if r.first_day is None else f"{r.first_day}, {r.days} days"
        return [
            r.day,
            r.title,
            window,
            str(r.epsilon),
            f"{float(r.delta):g}",
            _NOISE[r.noise],
            _STATUS[r.status],
            ", ".join(c[:12] for c in r.certificates) or "none",
        ]

    note = (
        "Every charge, newest first. The promise is for one device, all of its pings in the window. An assessment of disclosure risk is a charge as well. A "
        "certificate is named by the first digits of its SHA-256."
    )
    heads = ("Charged on", "Release", "Window", "Epsilon", "Delta", "Noise", "Status", "Certificate")
    return _card("Releases and their guarantees", note, heads, [row(r) for r in register.releases], "Nothing has been charged.")


def _exposure(register: Register) -> str:
    rows = [
        [e.dataset, f"{e.year_epsilon:g}", e.year_like_dearest or "not known", f"{e.spent_epsilon:g}", str(e.lifetime_epsilon), f"{float(e.delta):g}"]
        for e in register.exposures
    ]
    note = "Windows add up for a device that is in all of them: charges of windows that are disjoint in time give it no relief."
    heads = ("Data set", "Epsilon, dearest 365 days", "A year like the dearest window", "Epsilon in all", "Never more than", "At delta")
    return _card("A device's exposure", note, heads, rows, "Nothing has been charged.")


def _recipients(register: Register) -> str:
    rows = [[r.day, r.name, r.purpose, release.title, r.certificate[:12]] for release in register.releases for r in release.recipients]
    return _card("Recipients", "Who got a release, and for what.", ("Recorded on", "Recipient", "Purpose", "Release", "Certificate"), rows, "None is recorded.")


def _studies(register: Register) -> str:
    def row(s: StudyEntry) -> list[str]:
        window = f"{s.first_day}, {s.days} days"
        return [s.name, s.purpose or "not stated", window, f"{s.retention_days} days after the window", f"{s.deleted_by}", s.contact or "not stated"]

    heads = ("Study", "Purpose", "Window", "Pings are kept", "Deleted by", "Contact")
    note = "The retention schedule: pings are deleted by the day that is named, and nothing is released from them later."
    return _card("Studies and how long pings are kept", note, heads, [row(s) for s in register.studies], "There is no study.")


def _suppliers(register: Register) -> str:
    rows = [
        [
            s.name,
            s.supplier.name,
            s.supplier.collected,
            s.supplier.ad_auctions,
            str(s.supplier.assessed),
            str(s.supplier.assess_again_by),
            ", ".join(s.supplier.purposes),
        ]
        for s in register.studies
        if s.supplier is not None
    ]
    heads = ("Study", "Supplier", "How pings are collected", "From ad auctions", "Assessed on", "Assess again by", "Consented purposes")
    return _card("Suppliers", "Who delivers pings, under which consent.", heads, rows, "No supplier's record is in order.")


def _places(register: Register) -> str:
    rows = [
        [s.name, "not reviewed as it is now" if s.places.reviewed is None else str(s.places.reviewed), str(s.places.review_by or "now"), s.places.digest[:12]]
        for s in register.studies
        if s.places is not None
    ]
    past = ", ".join(str(day) for day in register.reviews)
    note = "Nothing is stored near these places. The list is reviewed every quarter." + (f" Reviews: {past}." if past else "")
    return _card("Sensitive places", note, ("Study", "Last review", "Next review by", "List"), rows, "No study names a list.")


def _incidents(register: Register) -> str:
    rows = [[i.day, i.kind.replace("_", " "), i.what] for i in register.incidents]
    return _card("Incidents", "What went wrong, as the officer recorded it.", ("Recorded on", "Kind", "What"), rows, "None is recorded.")


def _trails(register: Register) -> str:
    found = {(s.trail.key, s.trail.last): s.name for s in register.studies if s.trail is not None}
    rows = [[name, last, key] for (key, last), name in found.items()]
    note = "The last line of each study's signed log. Whoever keeps this page can tell later if a log was cut or rewritten."
    return _card("The log", note, ("Study", "Hash of the last line", "Public key"), rows, "No study has a log.")


def _card(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> str:
    name = title.lower().replace(" ", "-").replace("'", "")
    if not rows:
        return f'<section class="card" aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2><p class="note">{escape(none)}</p></section>\n'
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(_row(row) for row in rows)
    return (
        f'<section class="card" aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2><p class="note" id="{name}-note">{escape(note)}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}"><table aria-labelledby="{name}" aria-describedby="{name}-note">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>\n"
    )


def _row(values: Iterable[str]) -> str:
    first, *rest = values
    cells = "".join(f'<td class="text">{escape(v)}</td>' if len(v) > 40 and " " in v else f"<td>{_short(v)}</td>" for v in rest)
    return f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'


def _short(value: str) -> str:
    """A hash in full would make the table wide: its first digits are shown, and the whole of it to a reader who points at it."""
    return f'<code title="{value}">{value[:16]}</code>' if len(value) == 64 and value.isalnum() else escape(value)
