"""The engine of one machine: threads over buckets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Lock

import numpy as np

from flockwise.base.machine import memory_mb
from flockwise.engines.protocol import PingSource, ProgressFn
from flockwise.person import PRESENCE, Rules, Sighting, Sums, accumulate, add_blocks, bounded, empty_sums, sight

__all__ = ["LocalEngine"]


class LocalEngine:
    """Threads over buckets: the kernels release the interpreter lock, so they run side by side.

    A private clip looks at the pings twice: for the histogram of norms, then under the bound that it chose. What the first pass saw of trips is kept in
    memory for the second, so that every bucket is read once. Where it does not fit into the memory the second pass reads again: the same code, the same sums.

    Args:
        threads: how many buckets are in memory at a time, 1 or more.
        memory: bytes for what is kept between two passes; default: half of `base.machine.memory_mb()`.
    """

    def __init__(self, threads: int, memory: int | None = None) -> None:
        self.threads = max(1, threads)
        self._memory = (memory_mb() << 19) if memory is None else memory
        self._kept: _Kept | None = None

    def sum(self, source: PingSource, rules: Rules, progress: ProgressFn | None = None) -> Sums:
        """The exact sums of the finest levels by block.

        Memory: the dense sums once, for each thread one bucket's pings and their working arrays, and what is kept between passes.

        Args:
            source: buckets of complete devices. It must not change between two passes.
            rules: public rules.
            progress: told ("person", done, total) after each bucket.

        Returns:
            By block, in grid units: see `person.empty_sums`.

        Privacy: exact sums; only `release` may see them. One device moves them by at most rules.bound in the weighted squared norm over all levels.
        """
        kept, self._kept = self._kept, None
        if kept is not None and kept.serves(source, rules):
            return self._again(kept, rules, progress)
        sums, lock = empty_sums(rules), Lock()
        first = rules.flows is not None and bool(rules.flows.norm_edges)
        keep = _Kept(source, rules, self._memory) if first else None

        def work(bucket: int) -> None:
            if keep is None or keep.full:
                accumulate(source.read(bucket), rules, sums, lock)
                return
            sighting, blocks = sight(source.read(bucket), rules)
            add_blocks(bounded(sighting, rules), sums, lock)
            keep.add(sighting)
            add_blocks(blocks, keep.presence, lock)

        self._each(work, source.buckets(), progress)
        self._kept = None if keep is None or keep.full else keep
        return sums

    def _again(self, kept: _Kept, rules: Rules, progress: ProgressFn | None) -> Sums:
        sums, lock = empty_sums(rules) | kept.presence, Lock()

        def work(number: int) -> None:
            add_blocks(bounded(kept.sightings[number], rules), sums, lock)

        self._each(work, list(range(len(kept.sightings))), progress)
        return sums

    def _each(self, work: Callable[[int], None], items: list[int], progress: ProgressFn | None) -> None:
        with ThreadPoolExecutor(self.threads, thread_name_prefix="flockwise-person") as pool:
            pending = [pool.submit(work, item) for item in items]
            try:
                for done, future in enumerate(as_completed(pending), start=1):
                    future.result()
                    if progress is not None:
                        progress("person", done, len(items))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


class _Kept:
    """What a first pass saw, until it takes too much memory."""

    def __init__(self, source: PingSource, rules: Rules, memory: int) -> None:
        self.source, self.rules = source, rules
        self.sightings: list[Sighting] = []
        table = rules.presence
        self.presence: Sums = {} if table is None else {PRESENCE: np.zeros(table.shape, dtype=np.int64)}
        self._left, self._lock = memory, Lock()
        self.full = memory <= 0

    def add(self, sighting: Sighting) -> None:
        """Takes a bucket's sighting; gives everything back once the memory is used up."""
        with self._lock:
            self._left -= sighting.nbytes
            self.full = self.full or self._left < 0
            if self.full:
                self.sightings.clear()
            else:
                self.sightings.append(sighting)

    def serves(self, source: PingSource, rules: Rules) -> bool:
        """Whether a pass over the source under the rules would see the same."""
        return source is self.source and self.rules.sees_like(rules)
