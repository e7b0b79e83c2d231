"""Zero-concentrated differential privacy by OpenDP: what rho gives, and what a discrete Gaussian costs."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flockwise.noise.library import opendp

__all__ = ["charge", "epsilon"]


@lru_cache(maxsize=4096)
def epsilon(rho: Fraction, delta: Fraction) -> Fraction:
    """OpenDP's epsilon for `rho` at `delta`: rho is rounded up and delta down on the way in.

    Source:
        Canonne, Kamath and Steinke 2020, Proposition 12, by OpenDP (`make_zCDP_to_approxDP`).
    """
    # d_in of a unit-scale Gaussian, rounded up, so that the library converts a rho that is not below ours.
    return Fraction(_curve().map(_root_above(2 * rho)).epsilon(_float_below(delta)))


def charge(sigma: float, square: Fraction) -> Fraction:
    """OpenDP's own rho for a vector with |q|^2 = `square` under discrete noise of scale `sigma`."""
    dp: Any = opendp()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return Fraction(dp.m.make_gaussian(*space, scale=sigma).map(_root_above(square)))


@lru_cache(maxsize=1)
def _curve() -> Any:
    dp: Any = opendp()
    unit = dp.m.make_gaussian(dp.atom_domain(T="i64"), dp.absolute_distance(T="f64"), scale=1.0)
    return dp.c.make_zCDP_to_approxDP(unit)


def _root_above(square: Fraction) -> float:
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def _float_below(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, 0.0)
