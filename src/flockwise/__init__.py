"""Flockwise: private population statistics from phone location pings."""

import os

__version__ = "0.1.0"

__all__ = ["__version__"]

# Before numpy is imported: the matrices of the estimates are small, and OpenBLAS loses more by sharing them between threads than it wins (5 CPU seconds of a
# release instead of 1.4). It also keeps the last bits of an estimate from depending on how many cores a machine has. A setting of the user's own stands.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
