"""The one door to OpenDP, opened when it is first needed (loading it takes a moment)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

__all__ = ["opendp"]


@lru_cache(maxsize=1)
def opendp() -> Any:
    """OpenDP's prelude, with the "contrib" parts that Flockwise relies on (make_gaussian, make_zCDP_to_approxDP) enabled."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp
