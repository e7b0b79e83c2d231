"""The two Markdown pages: templates in `pages/`, filled with the answers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from flockwise.record import _answers as answers
from flockwise.record._text import bullets, chance, count, exact, exposures, name, said, todo, up
from flockwise.record.facts import Facts, Supplier

__all__ = ["ASSESSMENT", "NIST", "VALUES", "page", "template"]

NIST, ASSESSMENT = "nist-800-226.md", "impact-assessment.md"

_OWN_LINE = ("|", "#", "- ")


def _sensitive(facts: Facts) -> str:
    places = facts.sensitive_places
    if places is None:
        return todo("the list of sensitive places, and its last review")
    return (
        f"Pings within {places.fence_m} m of {places.categories} categories of sensitive places are dropped before anything is stored "
        f"(list reviewed on {places.reviewed})."
    )


def _suppliers(facts: Facts) -> str:
    if not facts.suppliers:
        return todo("suppliers, their contracts, and when each was assessed")
    return "; ".join(map(_supplier, facts.suppliers)) + "."


def _supplier(supplier: Supplier) -> str:
    kept = f", pings kept for at most {supplier.retention_days} days after a window" if supplier.retention_days else ""
    return f"{name(supplier.name)}, {f'assessed on {supplier.assessed}' if supplier.assessed else todo('date of the assessment')}{kept}"


def _consent(facts: Facts) -> str:
    if facts.input.consent == "column":
        return "Consent is checked for every ping: none is taken in that was made before consent was given, or without it."
    return f"The supplier states that every ping was given with consent; there is no consent to check row by row. {todo('how that statement was verified')}"


def _purpose(facts: Facts) -> str:
    words = said(facts, "purpose", "what the pings are processed for")
    return words if facts.purpose is None else f"{name(facts.purpose.replace('-', ' '))}, as the study declares from a closed list. By the publisher: {words}"


def _opt_out(facts: Facts) -> str:
    if facts.input.opt_out:
        return "A device whose owner opted out of tracking on any row of any delivery contributes nothing."
    return f"The pings carry no opt-out of tracking. {todo('how opt-outs are honoured')}"


VALUES: dict[str, Callable[[Facts], str]] = {
    "access": lambda _: answers.ACCESS,
    "accounting": lambda f: f.charge.accounting,
    "accuracy": lambda f: str(f.input.greatest_accuracy_m),
    "actors": answers.actors,
    "cells": lambda f: count(max(r.cells for r in f.region)),
    "central": lambda _: answers.CENTRAL,
    "chance": lambda f: chance(f.charge.delta),
    "charge_table": answers.charge_table,
    "clips": lambda f: bullets(f"{g.name}: {g.clip}" for g in f.groups),
    "composition": answers.composition,
    "consent": _consent,
    "contact": lambda f: said(f, "contact", "a contact for the people concerned"),
    "dataset": lambda f: name(f.dataset),
    "days": answers.days,
    "definition": lambda f: f.statements.definition[:1].upper() + f.statements.definition[1:],
    "delta": lambda f: exact(f.charge.delta),
    "description": answers.description,
    "digest": lambda f: f.digest,
    "domain": lambda f: f.statements.domain,
    "epsilon": lambda f: exact(f.charge.epsilon),
    "estimates": lambda f: f.statements.estimates,
    "exposures": exposures,
    "finest": lambda f: str(max(level for t in f.tables for level in t.levels)),
    "guess": lambda f: f.exposure(1, 1).guess_percent,
    "guess_year": lambda f: f.exposure(1, f.year).guess_percent,
    "intended_use": lambda f: said(f, "intended_use", "what the figures are for"),
    "legal_basis": lambda f: said(f, "legal_basis", "legal basis, and why it applies"),
    "lifetime_epsilon": lambda f: exact(f.charge.lifetime_epsilon),
    "limits": lambda f: bullets(f.statements.limits),
    "meaning": lambda f: bullets(f.statements.meaning),
    "mechanism": lambda f: f.statements.mechanism,
    "mechanisms": answers.mechanisms,
    "neighbours": lambda f: f.statements.neighbours,
    "opt_out": _opt_out,
    "organization": lambda f: said(f, "organization", "the controller"),
    "panel_bound": lambda f: count(f.panel_bound),
    "preprocessing": answers.preprocessing,
    "purpose": _purpose,
    "rationale": lambda f: said(f, "rationale", "why these settings are enough and no more"),
    "recipients": lambda f: said(f, "recipients", "who gets the release"),
    "region": answers.region,
    "releases": answers.releases,
    "replace_epsilon": lambda f: up(f.charge.replace_epsilon),
    "replace_rho": lambda f: exact(f.charge.replace_rho),
    "retention_days": lambda f: str(f.input.retention_days),
    "rho": lambda f: exact(f.charge.rho),
    "security": lambda f: said(f, "security", "access rules, encryption, who holds the keys"),
    "sensitive": _sensitive,
    "several": answers.several,
    "study": lambda f: f.study,
    "suppliers": _suppliers,
    "trust": lambda _: answers.TRUST,
    "unit": answers.unit,
    "unit_word": lambda f: f.unit,
    "utility": answers.utility,
    "versions": lambda f: ", ".join(f"{k} {v}" for k, v in sorted(f.versions.items())),
    "weights": lambda f: (
        "The figures are of the panel and are not weighted."
        if f.weights is None
        else f"The figures are weighted to the population. Source of the weights: {name(f.weights)}"
    ),
    "window_days": lambda f: str(f.window.days),
    "year": lambda f: str(f.year),
}


def template(file: str) -> str:
    """The template of a page, with its placeholders. Lines that were wrapped in the source are joined: figures change their length."""
    lines: list[str] = []
    for line in files("flockwise.record").joinpath("pages", file).read_text(encoding="utf-8").splitlines():
        if line and lines and lines[-1] and not line.startswith(_OWN_LINE) and not lines[-1].startswith(("|", "#")):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def page(file: str, facts: Facts) -> str:
    """A page, in Markdown.

    Args:
        file: NIST or ASSESSMENT.
        facts: public facts of the release.
    """
    return template(file).format_map({key: value(facts) for key, value in VALUES.items()})
