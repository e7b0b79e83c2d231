"""The engine of one machine: threads over buckets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Lock

from flockwise.engines.protocol import PingSource, ProgressFn
from flockwise.person import Rules, Sums, accumulate, empty_sums

__all__ = ["LocalEngine"]


class LocalEngine:
    """Threads over buckets: the kernels release the interpreter lock, so they run side by side.

    Args:
        threads: how many buckets are in memory at a time, 1 or more.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)

    def sum(self, source: PingSource, rules: Rules, progress: ProgressFn | None = None) -> Sums:
        """The exact sums of the finest levels by block.

        Memory: the dense sums once, and for each thread one bucket's pings and their working arrays.

        Args:
            source: buckets of complete devices.
            rules: public rules.
            progress: told ("person", done, total) after each bucket.

        Returns:
            By block, in grid units: see `person.empty_sums`.

        Privacy: exact sums; only `release` may see them. One device moves them by at most rules.bound in the weighted squared norm over all levels.
        """
        sums, lock = empty_sums(rules), Lock()

        def work(bucket: int) -> None:
            accumulate(source.read(bucket), rules, sums, lock)

        buckets = source.buckets()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="flockwise-person") as pool:
            pending = [pool.submit(work, bucket) for bucket in buckets]
            try:
                for done, future in enumerate(as_completed(pending), start=1):
                    future.result()
                    if progress is not None:
                        progress("person", done, len(buckets))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return sums
