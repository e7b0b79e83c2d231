"""Lower bounds on the privacy loss from the outcomes of an attack, each wrong with a chance that is named."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

__all__ = ["epsilon_of_guesses", "most_likely_below", "mu_of_scores"]

Floats: TypeAlias = npt.NDArray[np.float64]

_CUTS = 32


def mu_of_scores(without: Floats, present: Floats, wrong: float) -> float:
    """A lower bound on mu of Gaussian differential privacy, from scores that an attacker gives to releases without and with a device.

    The first half of the scores chooses the cut, the second half is counted, so that the choice costs nothing. For a mu-GDP mechanism every test has
    Phi^-1(1 - false alarms) - Phi^-1(misses) <= mu; both rates are replaced by upper confidence limits.

    Args:
        without: scores of releases without the device.
        present: scores of releases with it; higher should mean present.
        wrong: chance with which the bound may be too high, above 0.

    Returns:
        The bound; minus infinity if the scores tell nothing.

    Source:
        Dong, Roth and Su 2022 (trade-off function of GDP); Nasr et al. 2023 (auditing with it); Clopper and Pearson 1934.

    Example:
        >>> scores = np.arange(200.0) % 100
        >>> mu_of_scores(scores, scores + 1000.0, 1e-3) > 2
        True
        >>> mu_of_scores(scores, scores, 1e-3) < 0.5
        True
    """
    half = len(without) // 2, len(present) // 2
    cuts = np.quantile(np.concatenate([without[: half[0]], present[: half[1]]]), np.linspace(0.02, 0.98, _CUTS))

    def at(cut: float, false_alarm: Floats, missed: Floats) -> float:
        alarms, misses = int((false_alarm >= cut).sum()), int((missed < cut).sum())
        a = most_likely_below(alarms, len(false_alarm), wrong / 2)
        b = most_likely_below(misses, len(missed), wrong / 2)
        return _quantile(1.0 - a) - _quantile(b)

    best = max(cuts, key=lambda cut: at(float(cut), without[: half[0]], present[: half[1]]))
    return at(float(best), without[half[0] :], present[half[1] :])


def epsilon_of_guesses(right: int, guesses: int, delta: float, canaries: int, wrong: float) -> float:
    """A lower bound on epsilon from one release in which each canary was put by the toss of a coin.

    Args:
        right: guesses that were right.
        guesses: guesses made; for the other canaries the attacker abstained.
        delta: of the claim.
        canaries: how many coins were tossed.
        wrong: chance with which the bound may be too high.

    Source:
        Steinke, Nasr and Jagielski 2023 (arXiv:2305.08846), Theorem 5.2. Under (epsilon, delta), r guesses about m coins are right v times or more with a
        chance of at most f(v) + 2 m delta max over i >= 1 of (f(v - i) - f(v)) / i, with f(v) = P(Binomial(r, e^epsilon / (1 + e^epsilon)) >= v). The
        maximum is at most 1, so 2 m delta is taken for the second term.

    Example:
        >>> epsilon_of_guesses(50, 100, 1e-6, 100, 1e-3)
        0.0
        >>> 2 < epsilon_of_guesses(99, 100, 1e-6, 100, 1e-3) < 5
        True
    """
    allowed = wrong - 2 * canaries * delta
    if guesses == 0 or allowed <= 0:
        return 0.0
    # The largest chance of a right guess under which so many right ones would be too rare: Clopper and Pearson's lower limit.
    chance = float(beta.ppf(allowed, right, guesses - right + 1)) if right else 0.0
    return max(0.0, math.log(chance / (1.0 - chance))) if 0.0 < chance < 1.0 else 0.0


def most_likely_below(count: int, trials: int, wrong: float) -> float:
    """An upper confidence limit of a chance: `count` or fewer of `trials` happen with at most `wrong` if the chance were larger.

    Source:
        Clopper and Pearson 1934.

    Example:
        >>> round(most_likely_below(0, 100, 0.05), 4)
        0.0295
    """
    if count >= trials:
        return 1.0
    return float(beta.ppf(1.0 - wrong, count + 1, trials - count))


def _quantile(p: float) -> float:
    if p <= 0.0:
        return -math.inf
    return math.inf if p >= 1.0 else NormalDist().inv_cdf(p)
