"""Words that no published text may use: they promise more than was proved."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["overclaims"]

_FORBIDDEN = re.compile(
    r"only with probability|anonymous|anonymi[sz]ed|impossible|cannot be (?:re-?)?identified|can't be (?:re-?)?identified|no risk|zero risk|risk-free|\bsafe\b",
    re.IGNORECASE,
)


def overclaims(text: str, names: Sequence[str] = ()) -> list[str]:
    """The forbidden words that a text uses, in order.

    Args:
        text: what is to be published.
        names: names of studies, data sets and the like that stand in the text. A name claims nothing, so it is left out.

    Example:
        >>> overclaims("These figures are anonymous and safe."), overclaims("A safeguard.")
        (['anonymous', 'safe'], [])
        >>> overclaims("Figures of Safe Streets.", ["Safe Streets"])
        []
    """
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "")
    return _FORBIDDEN.findall(text)
