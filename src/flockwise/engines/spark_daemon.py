"""The process that forks Spark's Python workers, with everything imported that their tasks need: python -m flockwise.engines.spark_daemon.

Spark's own forks workers that have imported nothing, so that each of them imports the same for itself. Nothing that is imported here starts a thread but the
allocator of pyarrow, which is made for forks.
"""

from __future__ import annotations

import gc

import pyspark.worker  # noqa: F401  what a worker runs
from pyspark.daemon import manager

import flockwise.engines.spark
import flockwise.engines.spark_ingest  # noqa: F401  what tasks run
from flockwise.base.machine import collect_rarely

if __name__ == "__main__":
    collect_rarely()
    gc.freeze()  # what is imported stays: workers need not look through it, nor copy its pages
    manager()
