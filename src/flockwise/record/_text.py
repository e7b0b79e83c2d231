"""How figures, names and open questions stand in the record's texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

from flockwise.record.facts import Facts, Measured, Table

__all__ = ["NOT_STATED", "bullets", "chance", "count", "exact", "exposures", "flow", "grid", "name", "noise", "said", "slots", "todo", "up", "what"]

NOT_STATED = "not stated by the publisher"

_CONTEXT = Context(prec=60)
_KINDS = {
    "presence": "present population",
    "flows": "trips from cell to cell",
    "departures": "trips by origin, clipped as the flows are",
    "arrivals": "trips by destination, clipped as the flows are",
    "total_departures": "trips by origin, under the cap of the totals",
    "total_arrivals": "trips by destination, under the cap of the totals",
    "norms": "devices by the norm of their trips",
}


def exact(value: Fraction) -> str:
    """The value as a decimal if it has one of at most 18 places, else as a fraction.

    Example:
        >>> exact(Fraction(1, 10**6)), exact(Fraction(1, 3))
        ('0.000001', '1/3')
    """
    scaled = value * 10**18
    if scaled.denominator != 1:
        return str(value)
    text = f"{Decimal(scaled.numerator).scaleb(-18, _CONTEXT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def up(value: Fraction) -> str:
    """The value rounded up to two decimals, without needless zeros.

    Example:
        >>> up(Fraction("4.0301")), up(Fraction(1))
        ('4.04', '1')
    """
    ratio = _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    text = f"{ratio.quantize(Decimal('0.01'), rounding=ROUND_CEILING):f}"
    return text.rstrip("0").rstrip(".")


def chance(delta: Fraction) -> str:
    """A small probability in words.

    Example:
        >>> chance(Fraction(1, 10**6))
        '1 in 1,000,000'
    """
    return f"1 in {int(1 / delta):,}"


def count(number: int) -> str:
    """A whole number with thousands set apart."""
    return f"{number:,}"


def noise(sigma: float) -> str:
    """A noise scale with two significant places after the point where it is small."""
    return f"{sigma:,.1f}" if sigma >= 10 else f"{sigma:.2f}"


def name(text: str) -> str:
    """A name as Markdown prints it literally: one line, markup escaped."""
    return re.sub(r"([\\|<>`*_\[\]#])", r"\\\1", " ".join(text.split()))


def todo(question: str) -> str:
    """The mark of what only the controller can answer."""
    return f"[to be completed: {question}]"


def said(facts: Facts, key: str, question: str | None = None) -> str:
    """A statement of the publisher as part of a sentence, or that there is none, with the open question if there is one."""
    value = None if facts.publisher is None else getattr(facts.publisher, key)
    if value is not None:
        return str(value).removesuffix(".")
    return NOT_STATED if question is None else f"{NOT_STATED}. {todo(question)}"


def what(block: Measured) -> str:
    """What a block counts, in words."""
    words = _KINDS.get(block.kind, block.kind)
    return words if block.level is None else f"{words}, H3 resolution {block.level}"


def slots(table: Table) -> str:
    """The slots of a table in words."""
    plural = "s" if table.slots > 1 else ""
    return f"{count(table.slots)} slot{plural} of {table.slot_minutes} minutes" if table.slot_minutes else f"{count(table.slots)} slot{plural} of the day"


def flow(text: str) -> str:
    """A paragraph that was wrapped in the source, as one line."""
    return " ".join(text.split())


def bullets(lines: Iterable[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def exposures(facts: Facts) -> str:
    """The promise for one device and for several, in this window and over a year of windows, as a Markdown table."""
    head = ("devices of one person", "windows", "rho", f"epsilon at delta {exact(facts.charge.delta)}", "a guess of membership is right at most")
    rows = [(str(e.devices), str(e.windows), exact(e.rho), up(e.epsilon), f"{e.guess_percent} times in 100") for e in facts.exposures]
    return grid(head, rows)
