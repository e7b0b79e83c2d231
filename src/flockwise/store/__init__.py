"""Pseudonymised pings at rest: reading deliveries, the buckets of devices, whole ingests or none."""

from flockwise.store import keys
from flockwise.store.ingest import OrderFn, ProgressFn
from flockwise.store.peek import file_schema
from flockwise.store.report import IngestReport
from flockwise.store.store import Store

__all__ = ["IngestReport", "OrderFn", "ProgressFn", "Store", "file_schema", "keys"]
