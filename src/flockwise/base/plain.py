"""Numbers and cells in text that comes from outside: read if they are plain and short, refused before they become anything large."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import h3

__all__ = ["cell_number", "exact_number"]

# "1e999999999" is eleven characters and a number of a billion digits; Python also reads digits of other scripts and underscores.
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_RATIO = re.compile(r"[+-]?[0-9]+/[0-9]+")
_LONGEST = 2000
_CELL = re.compile(r"[0-9a-fA-F]{15}")


def exact_number(text: str) -> Fraction:
    """The number of a plain decimal or fraction, exact.

    Args:
        text: at most 2,000 characters, such as "0.5", "1e-6" or "1/3"; exponents have at most three digits.

    Raises:
        ValueError: it is something else, or a fraction of nothing.

    Example:
        >>> exact_number("1e-6")
        Fraction(1, 1000000)
    """
    if len(text) <= _LONGEST and _DECIMAL.fullmatch(text):
        return Fraction(Decimal(text))
    if len(text) > _LONGEST or not _RATIO.fullmatch(text) or not int(text.split("/")[1]):
        raise ValueError("not a plain number")
    return Fraction(text)


def cell_number(text: str) -> int:
    """The H3 cell of its text form, fifteen hexadecimal digits.

    Raises:
        ValueError: it is something else.

    Example:
        >>> cell_number("872a1072bffffff")
        608725951823478783
    """
    if not _CELL.fullmatch(text) or not h3.is_valid_cell(text):
        raise ValueError("not an H3 cell")
    return int(h3.str_to_int(text))
