"""Engines: who runs the person stage over the buckets of a store and adds up. Whatever the engine, the sums are the same integers."""

from __future__ import annotations

from flockwise.engines.local import LocalEngine
from flockwise.engines.opening import copied, ingesting, opened
from flockwise.engines.protocol import Engine, PingSource, ProgressFn

__all__ = ["Engine", "LocalEngine", "PingSource", "ProgressFn", "copied", "ingesting", "opened"]
