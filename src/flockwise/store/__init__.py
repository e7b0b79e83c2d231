"""Pseudonymised pings at rest: reading deliveries, the buckets of devices, whole ingests or none."""

from flockwise.store import keys
from flockwise.store.buckets import Buckets
from flockwise.store.expiry import due, require_current, require_nothing_due
from flockwise.store.forgetting import KINDS
from flockwise.store.lifecycle import forget, purge, rotate
from flockwise.store.peek import file_schema
from flockwise.store.reading import OpenFile
from flockwise.store.report import IngestReport
from flockwise.store.runner import Done, ProgressFn, Runner, Work
from flockwise.store.settling import OrderFn
from flockwise.store.sources import LocateFn
from flockwise.store.store import Store

__all__ = [
    "KINDS",
    "Buckets",
    "Done",
    "IngestReport",
    "LocateFn",
    "OpenFile",
    "OrderFn",
    "ProgressFn",
    "Runner",
    "Store",
    "Work",
    "due",
    "file_schema",
    "forget",
    "keys",
    "purge",
    "require_current",
    "require_nothing_due",
    "rotate",
]
