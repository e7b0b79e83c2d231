"""The typical day: means over the days of a window, from the same estimates as the hours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import LevelEstimate, NoisyLevel, check_levels
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.intervals import mean_squared_errors
from flockwise.estimate.presence import rounded, with_intervals
from flockwise.estimate.smoothing import Smoother

__all__ = ["hours_and_day", "typical_day"]


def typical_day(levels: Sequence[NoisyLevel], calendar: Calendar) -> list[LevelEstimate]:
    """Return the mean over days of every slot of the day, for every level, in the order given.

    The mean of the smoothed hours is nearer the truth than smoothing the means (measured in docs/claims/estimates.md), and agrees with the hourly table: it
    is the mean of its estimates, rounded to 1/64 device in the finest cells.

    Args:
        levels: noisy counts as for the hourly estimate, finest level first.
        calendar: day and slot of the day of every slot; in a window with a change of the clock a slot may have one day more or less.

    Returns:
        For each level arrays of cells x slots of the day, in devices, one column for each slot of the day that occurs in the window, in order. Children sum to
        their parent exactly. `unbiased` is the mean of the noisy values.

    Raises:
        DataError: shapes, values, noise scales, parents or labels that don't fit.

    Privacy: post-processing of the hourly values; charges nothing. Deterministic.

    Source: see docs/claims/estimates.md.

    Example:
        >>> import numpy as np
        >>> counts = NoisyLevel(np.array([[30.0, 60.0, 32.0, 62.0]]), sigma=0.1)
        >>> typical_day([counts], Calendar.regular(slots=4, slots_per_day=2))[0].devices.round().tolist()
        [[31.0, 61.0]]
    """
    return hours_and_day(levels, calendar)[1]


def hours_and_day(levels: Sequence[NoisyLevel], calendar: Calendar) -> tuple[list[LevelEstimate], list[LevelEstimate]]:
    """Return the estimates of all slots, the same as those of `presence.estimate`, and of the typical day, for little more than the cost of the first.

    Privacy: post-processing of the hourly values; charges nothing. Deterministic.
    """
    check_levels(levels)
    calendar.check(levels[0].noisy.shape[1])
    noisy = [np.asarray(level.noisy, dtype=np.float64) for level in levels]
    smoother = Smoother(levels, calendar.longest_event)
    smooth = smoother.smooth(noisy)
    slots, days = np.unique(calendar.slot, return_counts=True)
    member = (calendar.slot[:, None] == slots).astype(np.float64)
    # Over the root of the number of days, every column's noise is that of one value, as the intervals ask for.
    view = member / np.sqrt(days)
    labels = Calendar(np.zeros(len(slots), dtype=np.int64), slots, calendar.slots_per_day)
    of_slots, of_day = mean_squared_errors(smoother, noisy, smooth, [(None, calendar), (view, labels)])
    hours = rounded(smooth[0], smoother.tree[:-1])
    means = rounded(hours[0] @ member / days, smoother.tree[:-1])
    day = with_intervals(means, [error / days for error in of_day], [values @ member / days for values in noisy])
    return with_intervals(hours, of_slots, noisy), day
