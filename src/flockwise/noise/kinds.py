"""The two kinds of noise, and which account each is charged under."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from flockwise.errors import InternalError

__all__ = ["DEFAULT", "Kind", "check_kind", "total"]

Kind = Literal["rounded", "discrete"]
"""How noise is drawn: "rounded" is a continuous Gaussian rounded to whole numbers, charged under Gaussian differential privacy (GDP); "discrete" is the
discrete Gaussian, charged under zero-concentrated differential privacy (zCDP)."""

DEFAULT: Kind = "rounded"


def check_kind(kind: Kind) -> None:
    """Refuses a kind that is not known.

    Raises:
        InternalError: neither "rounded" nor "discrete".
    """
    if kind not in ("rounded", "discrete"):
        raise InternalError("NOISE_BAD_KIND", what="Noise is of kind rounded or discrete.", got=str(kind))


def total(charges: Iterable[tuple[Fraction, Kind]]) -> tuple[Fraction, Kind]:
    """The sum of charges, and the kind by which the sum converts to epsilon.

    Args:
        charges: rho, 0 or more, with the kind of noise it paid for. rho = mu^2 / 2 for rounded noise.

    Returns:
        The sum of rho, exact, and "rounded" if every charge is; one discrete charge makes the whole sum "discrete".

    Privacy:
        mu-GDP is mu^2/2-zCDP as well (so any sum may be taken as zCDP), but rho-zCDP is no GDP: a mixed sum has no GDP account.

    Source:
        Dong, Roth and Su 2022, Corollary 3.3 of arXiv:1905.02383 (mu adds up in squares, mechanisms chosen adaptively) and its Blackwell representation;
        Bun and Steinke 2016, Lemma 2.3 (rho adds up). For charges that depend on earlier output: Smith and Thakurta 2022, Whitehouse et al. 2023.

    Example:
        >>> total([(Fraction(1, 50), "rounded"), (Fraction(1, 50), "rounded")])
        (Fraction(1, 25), 'rounded')
        >>> total([(Fraction(1, 50), "rounded"), (Fraction(1, 50), "discrete")])
        (Fraction(1, 25), 'discrete')
    """
    rho, mixed = Fraction(0), False
    for one, kind in charges:
        check_kind(kind)
        if one < 0:
            raise InternalError("NOISE_BAD_RHO", what="rho must not be negative.")
        rho, mixed = rho + one, mixed or kind == "discrete"
    return rho, "discrete" if mixed else "rounded"
