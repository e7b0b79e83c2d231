"""Check 12: noise can't be had a second time, is drawn in whole numbers to the last digit, and has its exact law."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import noise
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.children import in_child
from flockwise.audit.laws import chance_of_count, chance_of_law, chance_of_relation, chance_of_spread

__all__ = ["DIGITS", "LAW", "NO_SEED"]

Ints: TypeAlias = npt.NDArray[np.int64]

_KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")
_SIGMA = 10_000.0
_FEW = 400


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Both of Python's and numpy's global generators in a known state, as a careless program would leave them; put back afterwards."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002  the attack is on the global generator
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the same attack
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002  put back as it was


def _no_seed(settings: Settings) -> Finding:
    evidence, draws = Evidence(), 0
    for kind in _KINDS:
        found: list[Ints] = []
        for _ in range(2):
            with _seeded(settings.seed % 2**32):
                found.append(noise.add(np.zeros(_FEW, dtype=np.int64), _SIGMA, kind=kind))
        for _ in range(2):
            # mypy infers no type for a lambda whose default binds the loop variable.
            said = in_child(lambda kind=kind: noise.add(np.zeros(_FEW, dtype=np.int64), _SIGMA, kind=kind).tobytes())  # type: ignore[misc]  # see above
            evidence.holds(said is not None, "noise can't be drawn in a forked process")
            if said is not None:
                found.append(np.frombuffer(said, dtype=np.int64))
        found.append(noise.add(np.zeros(_FEW, dtype=np.int64), _SIGMA, kind=kind))
        # Pieces of one array are drawn by threads of their own.
        whole = noise.add(np.zeros(5 * 16_384 if kind == "rounded" else 5 * 4_096, dtype=np.int64), _SIGMA, 4, kind=kind)
        found += [part[:_FEW] for part in np.array_split(whole, 5)]
        draws += sum(len(x) for x in found)
        for x, y in combinations(found, 2):
            evidence.holds(not np.array_equal(x, y), f"the same {kind} noise was drawn twice")
            evidence.chance(chance_of_relation(x, y, _SIGMA), f"two draws of {kind} noise are related")
    return evidence.finding(f"{draws:,} draws under one seed, in forked processes and in threads")


def _digits(settings: Settings) -> Finding:
    """A float has 53 binary digits: noise made with floats and scaled to 2^58 ends in zeros, and at 2^53 its far values are even."""
    evidence, draws = Evidence(), 0
    for kind in _KINDS:
        for sigma, count in ((2.0**58, _FEW), (1.9 * 2.0**52, 40_000 if kind == "rounded" else 4_000)):
            drawn = noise.add(np.zeros(count, dtype=np.int64), sigma, 2, kind=kind)
            draws += count
            evidence.holds(drawn.dtype == np.int64, "noise is not made of whole numbers")
            whole = drawn.astype(np.int64)
            evidence.chance(chance_of_spread(np.round(whole / 2.0**38).astype(np.int64), sigma / 2.0**38), f"{kind} noise has another spread at a huge scale")
            # Beyond 2^54 a float has no last digit, beyond 2^58 no last five.
            bits = 5 if sigma > 2.0**57 else 1
            far = whole[np.abs(whole) > 2 ** (53 + bits)]
            zeros = int((far & ((1 << bits) - 1) == 0).sum())
            evidence.chance(chance_of_count(zeros, len(far), 0.5**bits), f"{kind} noise lacks its last digits: it was made with floats")
    return evidence.finding(f"{draws:,} draws at scales where a float has no last digit")


def _law(settings: Settings) -> Finding:
    """At scales of a few steps every value's frequency is compared with its exact chance, and with other draws of the same array."""
    evidence, draws = Evidence(), 0
    for kind in _KINDS:
        for sigma in (0.6, 3.0, 40.0):
            count = (400_000 if kind == "rounded" else 30_000) * (10 if settings.full else 1)
            offset = np.arange(count, dtype=np.int64) % 7 - 3
            drawn = noise.add(offset, sigma, 2, kind=kind) - offset
            draws += count
            evidence.chance(chance_of_law(drawn, sigma, kind), f"{kind} noise of scale {sigma:g} does not have its law")
            for offset_of in range(-3, 4):
                some = drawn[offset == offset_of]
                evidence.chance(chance_of_law(some, sigma, kind), f"{kind} noise of scale {sigma:g} depends on what it is added to")
            if sigma > 30:
                evidence.chance(chance_of_relation(drawn[:-1], drawn[1:], sigma), f"neighbouring values of {kind} noise are related")
    return evidence.finding(f"{draws:,} draws against exact chances")


NO_SEED = Check("no seed", "noise can't be drawn again: no seed, no fork and no thread repeats it", _no_seed)
DIGITS = Check("last digits", "noise is drawn in whole numbers, no float decides", _digits)
LAW = Check("law", "the noise has its exact law, whatever it is added to", _law)
