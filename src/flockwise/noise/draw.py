"""The one entry for noise of either kind."""

from __future__ import annotations

from flockwise.noise import gaussian, rounded
from flockwise.noise.chunks import Progress, Values
from flockwise.noise.kinds import DEFAULT, Kind, check_kind

__all__ = ["add"]


def add(values: Values, sigma: float, threads: int = 1, progress: Progress | None = None, kind: Kind = DEFAULT) -> Values:
    """The values plus independent noise of the kind, in a new array of the same shape.

    Args:
        values: exact sums in grid units, int64, any shape; never changed. No nulls.
        sigma: scale in grid units, above 0; the law is that of the rational number that the float is.
        threads: how many threads draw at once.
        progress: called with ("noise", values done, values in all).
        kind: "rounded" (`rounded.add`) or "discrete" (`gaussian.add`).

    Returns:
        int64 array: value + noise, saturated at the ends of int64.

    Raises:
        InternalError: the array is not int64, sigma is not a positive number, or the kind is not known.

    Privacy:
        rho = sum |q|^2 / (2 sigma^2) for a person who adds q: mu^2 / 2 of GDP for rounded noise, zCDP for discrete noise. The caller charges the ledger first.

    Example:
        >>> import numpy as np
        >>> add(np.zeros((2, 3), dtype=np.int64), 4.0, kind="rounded").shape
        (2, 3)
    """
    check_kind(kind)
    if kind == "rounded":
        return rounded.add(values, sigma, threads, progress)
    return gaussian.add(values, sigma, threads, progress)
