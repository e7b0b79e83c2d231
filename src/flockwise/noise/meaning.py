"""What a charge means, in the words that a certificate may use; every figure is derived here and rounded to the weaker side."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

from flockwise.errors import InternalError
from flockwise.noise import gdp
from flockwise.noise.accounting import epsilon_of
from flockwise.noise.kinds import DEFAULT, Kind, check_kind

__all__ = ["Year", "certainty_percent", "guess_percent", "guess_percent_from_epsilon", "limits", "meaning", "windows_a_year", "year"]

# Decimal's sqrt, exp and ln are correctly rounded: at 50 digits a margin of 1e-40 covers every step below.
_CONTEXT = Context(prec=50)
_MARGIN = Decimal("1e-40")
_TENTH = Decimal("0.1")
_TENTHS_OF_PERCENT = 1000


@dataclass(frozen=True)
class Year:
    """What a device that is in every window of a year has been exposed to.

    Args:
        windows: number of windows, one after the other.
        rho: sum of their charges, exact.
        epsilon: what that sum gives at the release's delta, rounded up.
    """

    windows: int
    rho: Fraction
    epsilon: Fraction


def windows_a_year(days: int) -> int:
    """How many windows of `days` fit into a year, one after the other.

    Example:
        >>> windows_a_year(28), windows_a_year(7)
        (13, 52)
    """
    if not 1 <= days <= 366:
        raise InternalError("NOISE_BAD_WINDOW", what="A window has 1 to 366 days.")
    return max(1, 365 // days)


def year(rho: Fraction, delta: Fraction, windows: int, kind: Kind = DEFAULT) -> Year:
    """The sum over `windows` windows of the same charge: windows that are disjoint in time still add up for a device that is in all of them."""
    return Year(windows, windows * rho, epsilon_of(windows * rho, delta, kind))


def guess_percent(rho: Fraction, kind: Kind = DEFAULT) -> Decimal:
    """How often in 100 a guess of membership is right at most, rounded up to 0.1.

    Args:
        rho: the charge, exact.
        kind: discrete: 100 (1/2 + 1/2 sqrt(rho / 2)). rounded: 100 Phi(mu / 2) with mu^2 = 2 rho.

    Source:
        Bun and Steinke 2016 (relative entropy at most rho) with Pinsker's inequality; Dong, Roth and Su 2022 (the trade-off function of mu-GDP).

    Example:
        >>> guess_percent(Fraction(24355970359, 10**12), "discrete")
        Decimal('55.6')
        >>> guess_percent(Fraction(3501810239, 125 * 10**9), "rounded")
        Decimal('54.8')
    """
    check_kind(kind)
    if kind == "rounded":
        return _percent(gdp.guess_above(rho, _TENTHS_OF_PERCENT))
    root = _CONTEXT.sqrt(_CONTEXT.divide(_decimal(rho), Decimal(2)))
    return _up(_CONTEXT.multiply(Decimal(50), _CONTEXT.add(Decimal(1), root)))


def guess_percent_from_epsilon(epsilon: Fraction, delta: Fraction) -> Decimal:
    """The same bound from epsilon and delta alone: 100 (e^epsilon + delta) / (1 + e^epsilon), rounded up to 0.1.

    Example:
        >>> guess_percent_from_epsilon(Fraction(1), Fraction(1, 10**6))
        Decimal('73.2')
    """
    odds = _CONTEXT.exp(_decimal(epsilon))
    return _up(_CONTEXT.divide(_CONTEXT.multiply(Decimal(100), _CONTEXT.add(odds, _decimal(delta))), _CONTEXT.add(odds, Decimal(1))))


def certainty_percent(rho: Fraction, eta: Fraction, kind: Kind = DEFAULT) -> Decimal:
    """The certainty in percent, from even odds, that a release exceeds with probability at most `eta`; rounded up to 0.1.

    Args:
        rho: the charge, exact.
        eta: a probability above 0 and below 1.
        kind: discrete: 100 / (1 + exp(-rho - 2 sqrt(rho ln 1/eta))). rounded: 100 eta / (eta + Phi(Phi^-1(eta) - mu)), which also covers what is computed
            from the noisy values (`gdp.certainty_above`).

    Source:
        Bun and Steinke 2016: the privacy loss of rho-zCDP is above rho + 2 sqrt(rho ln 1/eta) with probability at most eta. GDP: docs/claims.

    Example:
        >>> certainty_percent(Fraction(24355970359, 10**12), Fraction(1, 10**6), "discrete")
        Decimal('76.6')
        >>> certainty_percent(Fraction(3501810239, 125 * 10**9), Fraction(1, 10**6), "rounded")
        Decimal('76.9')
    """
    check_kind(kind)
    if not 0 < eta < 1:
        raise InternalError("NOISE_BAD_DELTA", what="A probability lies between 0 and 1.")
    if kind == "rounded":
        return _percent(gdp.certainty_above(rho, eta, _TENTHS_OF_PERCENT))
    r = _decimal(rho)
    tail = _CONTEXT.sqrt(_CONTEXT.multiply(r, _CONTEXT.minus(_CONTEXT.ln(_decimal(eta)))))
    loss = _CONTEXT.add(r, _CONTEXT.multiply(Decimal(2), tail))
    return _up(_CONTEXT.divide(Decimal(100), _CONTEXT.add(Decimal(1), _CONTEXT.exp(_CONTEXT.minus(loss)))))


def meaning(rho: Fraction, epsilon: Fraction, delta: Fraction, windows: int, kind: Kind = DEFAULT) -> list[str]:
    """The guarantee in plain sentences.

    Args:
        rho: the release's charge, exact.
        epsilon: what the release promises at `delta`.
        delta: as promised.
        windows: windows of this length in a year (`windows_a_year`).
        kind: how the noise is drawn.

    Returns:
        Sentences, in reading order; each stands alone.

    Raises:
        InternalError: rho does not give epsilon at delta.

    Source:
        The wording and the figures that the project's privacy design allows.
    """
    if rho <= 0 or windows < 1 or epsilon_of(rho, delta, kind) > epsilon + Fraction(1, 10**9):
        raise InternalError("NOISE_BAD_MEANING", what="The figures of the guarantee do not fit together.")
    over = year(rho, delta, windows, kind)
    bound, unlucky, eta = guess_percent(rho, kind), certainty_percent(rho, delta, kind), _probability(delta)
    two, three, swapped = (_short(epsilon_of(times * rho, delta, kind)) for times in (4, 9, 2))
    return [
        " ".join(text.split())
        for text in (
            """The promise covers one device: all of its pings in the whole window, the heaviest traveller's too. Publishing changes what anyone can infer
            very little compared with the same release without this device's pings, whatever else they know.""",
            f"""Someone who knows everyone else's records and guesses whether this device was in the data is right at most {bound} times in 100 (50 by a coin),
            in this window.""",
            f"""From epsilon {_stated(epsilon)} and delta {eta} alone, that bound would be {guess_percent_from_epsilon(epsilon, delta)} times in 100.""",
            f"""No certainty is ruled out altogether, since a draw can be unlucky: starting from even odds, that someone becomes, rightly, more than {unlucky} %
            certain with probability at most {eta}.""",
            f"""A person who carries several devices is covered less: k devices cost k x k times as much. Two give epsilon {two} at delta {eta}, three
            {three}.""",
            f"""Counted as replacing one device's pings by another's, instead of adding or removing them, the charge is twice as large: epsilon {swapped} at
            delta {eta}.""",
            f"""A device that is in all {windows} windows of a year, each released like this one, has been exposed to epsilon {_short(over.epsilon)} at delta
            {eta} in sum; a guess of whether it was there is then right at most {guess_percent(over.rho, kind)} times in 100.""",
        )
    ]


def limits(kind: Kind = DEFAULT) -> list[str]:
    """What is not promised, in plain sentences.

    Args:
        kind: how the noise is drawn, which tells whose random numbers the promise rests on.
    """
    check_kind(kind)
    source = "the operating system" if kind == "rounded" else "the OpenDP library"
    return [
        "Facts about a person that can be inferred from other people's records, or from public knowledge, are not covered.",
        "Another device of the same person, or the same people's data from another supplier, is not covered by this promise: such releases add up.",
        "The promise is for the whole window, and windows add up: it is not renewed every day or with every trip.",
        "Whoever holds the pings is trusted to keep them: the promise is about what is published.",
        f"The promise rests on the random numbers of {source}: whoever could foretell them could take the noise off.",
        "An attack on a release, or an audit, can only show a lower bound on what leaks. It is not a proof; the proof is in the mechanism.",
        "The figures describe the devices of the panel, not the population, unless a table says that it is weighted.",
        "A published release cannot be recalled when a person later asks for deletion.",
    ]


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _percent(share: Fraction) -> Decimal:
    return Decimal(int(share * _TENTHS_OF_PERCENT)).scaleb(-1)


def _up(percent: Decimal) -> Decimal:
    return min(Decimal("100.0"), _CONTEXT.add(percent, _MARGIN).quantize(_TENTH, rounding=ROUND_CEILING))


def _short(epsilon: Fraction) -> str:
    return _plain(_decimal(epsilon).quantize(Decimal("0.01"), rounding=ROUND_CEILING))


def _stated(epsilon: Fraction) -> str:
    # What a study states exactly is printed as stated; a fraction without a short decimal form stays a fraction.
    return _plain(_decimal(epsilon)) if (epsilon * 10**6).denominator == 1 else str(epsilon)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _probability(value: Fraction) -> str:
    return f"1 in {int(1 / value):,}"
