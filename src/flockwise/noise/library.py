"""The doors to the vetted libraries, opened when they are first needed (loading them takes a moment)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

__all__ = ["arb", "opendp", "precision"]


@lru_cache(maxsize=1)
def opendp() -> Any:
    """OpenDP's prelude, with the "contrib" parts that Flockwise relies on (make_gaussian, make_zCDP_to_approxDP) enabled."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp


def arb(value: int) -> Any:
    """A whole number as a real ball of Arb (Johansson 2017, in FLINT): what is computed from it is a ball that is sure to hold the exact result."""
    import flint

    return flint.arb(value)


def precision(bits: int) -> AbstractContextManager[Any]:
    """Arb's balls are computed to this many bits within the block; fewer make them wider, never wrong."""
    import flint

    context: AbstractContextManager[Any] = flint.ctx.workprec(bits)
    return context
