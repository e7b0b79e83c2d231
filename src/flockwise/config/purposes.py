"""What a study may be for: a closed list with definitions, and what no study can be for, with the reason.

Sources: FTC v. Kochava, X-Mode and Gravy Analytics (consent is for the service that the person asked for; no use to locate a person or a home); NAI,
Precise Location Information Solution Provider Voluntary Enhanced Standards (2022: no law enforcement, national security, bounty; no eligibility for
credit, insurance, employment); GDPR Article 5(1)(b) and 89 (purpose limitation; statistics).
"""

from __future__ import annotations

import re
from typing import Literal

from flockwise.errors import RuleError

__all__ = ["FORBIDDEN", "PURPOSES", "Purpose", "refuse_forbidden"]

Purpose = Literal[
    "official-statistics",
    "transport-planning",
    "public-health",
    "disaster-relief",
    "urban-planning",
    "environmental-research",
    "tourism-statistics",
    "academic-research",
]

PURPOSES: dict[str, str] = {
    "official-statistics": "Statistics of a statistical office or under its mandate, about populations and never about a person.",
    "transport-planning": "Planning and evaluating roads, public transport, cycling and walking: how many travel, from where to where, when.",
    "public-health": "Epidemiology and the planning of health services from population figures, never the tracing of contacts or patients.",
    "disaster-relief": "How many people are where before, during and after a disaster, for those who bring help.",
    "urban-planning": "Land use, housing, services and public space: how many people are present where and when.",
    "environmental-research": "Exposure of populations to air, noise, heat and water, and the footprint of movement.",
    "tourism-statistics": "How many visitors a region has, and when.",
    "academic-research": "Research at a university or a public institute under its ethics review, published for all.",
}
"""The purposes that a study can declare and a consent text can cover, with what they mean."""

FORBIDDEN: tuple[tuple[str, str, str], ...] = (
    (
        "locating, tracking or profiling persons",
        r"track|trac(?:e|ing)|locat|surveil|profil|identif|find|follow|stalk|target|monitor",
        "Flockwise has no function for it, and figures about a population may not serve it.",
    ),
    (
        "law enforcement",
        r"law[- ]?enforce|polic(?:e|ing)|crimin|crime|prosecut|sheriff|investigat|deport|forensic",
        "The place of a person's history of movements in such a case is a court's order (Carpenter v. United States, 2018).",
    ),
    ("immigration enforcement", r"immigra|border|asylum|migration[- ]?control|customs", "People agreed to no such use, and are harmed by it."),
    ("national security", r"security|intelligence|militar|defen[cs]e|terror", "People agreed to no such use (NAI 2022)."),
    ("bounty", r"bount|bail|skip[- ]?trac|repossess", "It is the search for one person (NAI 2022)."),
    ("advertising", r"advert|marketing|audience|retarget|\bads?\b|campaign", "Consent to statistics is no consent to advertising."),
    (
        "decisions on credit, insurance or employment",
        r"credit|insur|employ|hiring|tenant|underwrit|eligib|scor(?:e|ing)|pric(?:e|ing)",
        "Where somebody was may decide nothing about them (NAI 2022; Fair Credit Reporting Act).",
    ),
)
"""What no study can declare: name, words by which it is known, reason."""


def refuse_forbidden(text: object) -> None:
    """Refuses a purpose that no study can declare.

    Args:
        text: what a study file says under `purpose`.

    Raises:
        RuleError: PURPOSE_FORBIDDEN, with the reason. A purpose of the closed list, and what is no text, pass.

    Example:
        >>> refuse_forbidden("transport-planning")
        >>> try:
        ...     refuse_forbidden("law-enforcement")
        ... except RuleError as error:
        ...     print(error.code, error.what)
        PURPOSE_FORBIDDEN A study can't have this purpose: law enforcement.
    """
    if not isinstance(text, str) or text in PURPOSES:
        return
    plain = text.lower().replace("_", "-")
    for name, words, reason in FORBIDDEN:
        if re.search(words, plain):
            raise RuleError(
                "PURPOSE_FORBIDDEN",
                what=f"A study can't have this purpose: {name}.",
                got=" ".join(text.split())[:100],
                expected=f"one of {', '.join(PURPOSES)}",
                state="No data was read.",
                fix=f"There is no setting for it. {reason}",
            )
