"""The normal distribution's tail for whole arrays, accurate far out, without scipy."""

from __future__ import annotations

import numpy as np

from flockwise.estimate._types import Floats

__all__ = ["log_survival", "mills"]

# W. J. Cody, Rational Chebyshev approximation for the error function, Math. Comp. 23 (1969), as in CALERF of SPECFUN.
_A = (3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3, 1.85777706184603153e-1)
_B = (2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_C = (
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
    2.15311535474403846e-8,
)
_D = (
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_P = (
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
    1.63153871373020978e-2,
)
_Q = (2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3)
_ROOT_PI = 5.6418958354775628695e-1  # 1 / sqrt(pi)


def _ratio(x: Floats, top: tuple[float, ...], bottom: tuple[float, ...]) -> Floats:
    """Return Cody's quotient: the last of `top` is the leading coefficient."""
    above, below = top[-1] * x, x.copy()
    for a, b in zip(top[: len(bottom) - 1], bottom[:-1], strict=True):
        above = (above + a) * x
        below = (below + b) * x
    quotient: Floats = (above + top[len(bottom) - 1]) / (below + bottom[-1])
    return quotient


def _scaled_erfc(x: Floats) -> Floats:
    """Return exp(x^2) erfc(x) for x >= 0."""
    out = np.empty_like(x)
    near = x <= 0.46875
    middle = ~near & (x <= 4.0)
    far = x > 4.0
    square = x[near] ** 2
    out[near] = np.exp(square) * (1.0 - x[near] * _ratio(square, _A, _B))
    out[middle] = _ratio(x[middle], _C, _D)
    inverse = 1.0 / x[far] ** 2
    out[far] = (_ROOT_PI - inverse * _ratio(inverse, _P, _Q)) / x[far]
    return out


def mills(z: Floats) -> Floats:
    """Return the survival function over the density, (1 - Phi(z)) / phi(z), for z >= 0."""
    ratio: Floats = np.sqrt(np.pi / 2.0) * _scaled_erfc(np.asarray(z, dtype=np.float64) / np.sqrt(2.0))
    return ratio


def log_survival(z: Floats) -> Floats:
    """Return log(1 - Phi(z)), to a relative error of about 1e-14, for any finite z.

    Example:
        >>> import numpy as np
        >>> [float(x) for x in log_survival(np.array([0.0, 40.0])).round(6)]
        [-0.693147, -804.608442]
    """
    z = np.asarray(z, dtype=np.float64)
    size = np.abs(z)
    scaled = 0.5 * _scaled_erfc(size / np.sqrt(2.0))
    with np.errstate(under="ignore"):
        tail = scaled * np.exp(-0.5 * size**2)
    out: Floats = np.where(z > 0.0, np.log(scaled) - 0.5 * size**2, np.log1p(-tail))
    return out
