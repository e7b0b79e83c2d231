"""The few words that an officer may write into the trail, and what they must not look like.

A pattern can't know a name. It does refuse what machines write: identifiers, numbers of phones and devices, coordinates, cells, addresses of mail.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LONGEST", "refused_part"]

LONGEST = 200

_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)")
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("something like a UUID or a MAC address", re.compile(r"(?=[-:.0-9a-f]*\d)[0-9a-f]{2,8}([-:.][0-9a-f]{2,12}){2,}", re.IGNORECASE)),
    ("a long run of digits, such as a phone or device number has", re.compile(r"\d(?:[\s().,/_:+-]{0,3}\d){6,}")),
    ("a decimal number, such as a coordinate has", re.compile(r"\d+\s?[.,·]\s?\d{3,}|\d+[.,]\d+\s*[,;/ ]\s*-?\d+[.,]\d+")),
    ("degrees, minutes or seconds of a position", re.compile("[°º′″]|\\d\\s*deg", re.IGNORECASE)),
    ("letters and digits in one run, such as a token has", re.compile(r"(?=[^\W_]*\d)(?=[^\W_]*[a-z])[^\W_]{12,}", re.IGNORECASE)),
    ("a run of hexadecimal digits, such as an identifier or a cell has", re.compile(r"(?=[0-9a-f]*\d)[0-9a-f]{8,}", re.IGNORECASE)),
    ("a very long word, such as a token has", re.compile(r"[^\s]{41,}")),
    ("an address of mail", re.compile(r"\S@\S")),
)  # fmt: skip


def refused_part(text: str, least: int = 3, greatest: int = LONGEST) -> str | None:
    """Why a text can't stand in the trail, or None if it can. The answer never repeats the text.

    Args:
        text: one line, as an officer wrote it.
        least: fewest characters.
        greatest: most characters.

    Example:
        >>> refused_part("Department of Transportation, 2026-05-04")
        >>> refused_part("call 555 010 4477")
        'a long run of digits, such as a phone or device number has'
    """
    plain = unicodedata.normalize("NFKC", text)
    if not least <= len(plain.strip()) <= greatest or len(text) > greatest:
        return f"a length outside {least} to {greatest} characters"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in text) or "<" in plain or ">" in plain:
        return "a sign that does not print, a line break or an angle bracket"
    # Other scripts' digits count as digits (\d is all of them); days are common in such texts and are no identifier.
    rest = _DATE.sub("a day", plain)
    return next((what for what, shape in _SHAPES if shape.search(rest)), None)
