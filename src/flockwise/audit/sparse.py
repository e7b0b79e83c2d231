"""Checks 5 and 14: tables of which only what reaches a threshold is ever written down, against their exact law."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from flockwise import noise
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.laws import chance_of_count, chance_of_law, tail
from flockwise.errors import BudgetError
from flockwise.person import keycaps

__all__ = ["FALLBACK", "SPARSE"]

Ints: TypeAlias = npt.NDArray[np.int64]

_KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")
_SIGMA = 5.0
"""Small, so that one step of the grid matters: the tails of the two laws differ by a quarter here."""
_GIVEN, _HIDDEN, _AT = 2_000, 500, 3_000


def _sparse(settings: Settings) -> Finding:
    evidence, printed = Evidence(), 0
    generator = settings.generator("sparse")
    for kind in _KINDS:
        for _ in range(4 if settings.full else 1):
            printed += _one_draw(kind, generator, evidence)
        for sigma, size, ghosts in ((5.0, 10**4, 30), (9_000.5, 3_000**2, 5), (70.0, 10**12, 30)):
            t = noise.least_threshold(sigma, size, Fraction(ghosts), kind)
            lowest = tail(t, sigma, kind) * size <= ghosts * (1 + 1e-9) and tail(t - 1, sigma, kind) * size > ghosts * (1 - 1e-9)
            evidence.holds(lowest, f"a threshold is not the lowest that expects {ghosts} ghosts at most ({kind})")
    return evidence.finding(f"{printed:,} printed rows: which, how many, their values and their order")


def _one_draw(kind: noise.Kind, generator: np.random.Generator, evidence: Evidence) -> int:
    """A large empty table with some rows far below the threshold, some at it, and some far above."""
    size = 400_000
    threshold = noise.least_threshold(_SIGMA, size, Fraction(4_000), kind)
    keys = np.sort(generator.choice(size, _GIVEN + _HIDDEN + _AT, replace=False)).astype(np.int64)
    # Hidden rows lie before all others, where ghosts would show that they are skipped.
    keys[:_HIDDEN] = np.arange(_HIDDEN)
    keys = np.unique(keys)
    sums = generator.permutation(np.repeat([10**6, threshold], [len(keys) - _HIDDEN - _AT, _AT]))
    sums = np.concatenate([np.full(_HIDDEN, -(10**6)), sums]).astype(np.int64)
    shown = noise.draw_sparse(keys, sums, size, _SIGMA, threshold, kind)

    rising, reach = bool((np.diff(shown.keys) > 0).all()), bool((shown.values >= threshold).all())
    evidence.holds(rising, "printed rows are not in the order of their keys")
    evidence.holds(reach, "a row is printed that does not reach the threshold")
    place = np.searchsorted(keys, shown.keys)
    given = keys[np.minimum(place, len(keys) - 1)] == shown.keys
    sum_of = sums[np.minimum(place, len(keys) - 1)]
    evidence.holds(not (given & (sum_of < 0)).any(), "a row is printed whose noisy value can't reach the threshold")
    evidence.holds((given & (sum_of == 10**6)).sum() == (sums == 10**6).sum(), "a row far above the threshold is not printed")

    empty, chance = size - len(keys), tail(threshold, _SIGMA, kind)
    ghosts = shown.values[~given]
    evidence.chance(chance_of_count(len(ghosts), empty, chance), f"{len(ghosts):,} ghosts where {empty * chance:,.0f} are expected ({kind})")
    evidence.chance(chance_of_law(ghosts, _SIGMA, kind, threshold), f"values of ghosts do not have the law of {kind} noise above the threshold")
    rank = shown.keys[~given] - np.searchsorted(keys, shown.keys[~given])
    even = float(stats.kstest((rank + 0.5) / empty, "uniform").pvalue) if len(rank) else 1.0
    evidence.chance(even, "ghosts are not spread evenly over the empty rows")
    at = (1 + (1 - 2 * tail(1, _SIGMA, kind))) / 2
    reached = int((given & (sum_of == threshold)).sum())
    evidence.chance(chance_of_count(reached, _AT, at), f"{reached:,} of {_AT:,} rows at the threshold are printed, {_AT * at:,.0f} expected ({kind})")
    just = int((shown.values[given & (sum_of == threshold)] == threshold).sum())
    evidence.chance(chance_of_count(just, _AT, 1 - 2 * tail(1, _SIGMA, kind)), f"values just at the threshold are printed {just} times ({kind})")
    return len(shown.keys)


def _fallback(settings: Settings) -> Finding:
    """Keys that are not public: what is zero never shows, and a key in which one device is alone shows with the chance that was charged."""
    evidence, generator, delta = Evidence(), settings.generator("fallback"), Fraction(1, 10)
    most, seen, lone, zeros = 0.0, 0, 40_000, 100_000
    # One unit a key is so little that a key with nothing in it would show nearly as often.
    for kind, units in product(_KINDS, (20, 1)):
        caps = noise.Caps(keys=4, units=units, squares=4 * units**2)
        threshold = noise.fallback_threshold(caps, _SIGMA, delta, kind)
        keys = np.arange(lone + zeros, dtype=np.int64)
        sums = generator.permutation(np.repeat([caps.alone, 0], [lone, zeros])).astype(np.int64)
        shown = noise.draw_fallback(keys, sums, caps, _SIGMA, threshold, delta, kind)
        seen += lone
        evidence.holds((sums[shown.keys] > 0).all(), "a key that nobody added anything to is printed")
        in_order = bool((np.diff(shown.keys) > 0).all()) and bool((shown.values >= threshold).all())
        evidence.holds(in_order, "printed keys are out of order or under the threshold")
        chance = tail(threshold - caps.alone, _SIGMA, kind)
        used = (1 - (1 - chance) ** caps.keys) / float(delta)
        most = max(most, used)
        evidence.holds(used <= 1 + 1e-9, f"a lone device's key shows {used:.4g} times as often as charged ({kind})")
        evidence.chance(chance_of_count(int((sums[shown.keys] > 0).sum()), lone, chance), f"{len(shown.keys):,} keys of lone devices show ({kind})")
        evidence.holds(_refused(caps, threshold - 1, delta, kind), "a threshold that costs more delta than was charged is not refused")
    evidence.holds(_capped(generator), "a device adds to more keys, or more to one key, than the caps allow")
    return evidence.finding(f"{seen:,} keys of lone devices, {100 * most:.1f} % of delta used at most")


def _refused(caps: noise.Caps, threshold: int, delta: Fraction, kind: noise.Kind) -> bool:
    try:
        noise.draw_fallback(np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64), caps, _SIGMA, threshold, delta, kind)
    except BudgetError:
        return True
    return False


def _capped(generator: np.random.Generator) -> bool:
    device = np.repeat(np.arange(50, dtype=np.int64), 200)
    key, value = (generator.integers(0, most, len(device)) for most in (10**9, 1_000))
    kept = keycaps.cap_keys(keycaps.Additions(device, key, value), keycaps.key_tags(bytes(16), device, device, key), 4, 20)
    return bool((np.bincount(kept.device) <= 4).all()) and int(kept.value.min()) >= 1 and int(kept.value.max()) <= 20


SPARSE = Check("sparse draw", "a table drawn without its empty rows has the law of the whole one, ghosts included", _sparse)
FALLBACK = Check("fallback", "a key that is not public shows a lone device with chance delta at most, and never a zero", _fallback)
