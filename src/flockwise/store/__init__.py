"""Pseudonymised pings at rest: reading deliveries, the buckets of devices, whole ingests or none.

Names are looked up when they are used: half a second of imports would else come before the first byte of a delivery is read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flockwise.store import keys
    from flockwise.store.buckets import Buckets
    from flockwise.store.copying import update_copy
    from flockwise.store.digests import EarlyDigests
    from flockwise.store.expiry import due, require_current, require_nothing_due
    from flockwise.store.forgetting import KINDS
    from flockwise.store.lifecycle import forget, purge, rotate
    from flockwise.store.peek import file_schema
    from flockwise.store.reading import OpenFile
    from flockwise.store.report import IngestReport
    from flockwise.store.runner import Done, ProgressFn, Runner, Work
    from flockwise.store.settling import OrderFn
    from flockwise.store.sources import FilesAtFn
    from flockwise.store.store import Store

__all__ = [
    "KINDS",
    "Buckets",
    "Done",
    "EarlyDigests",
    "FilesAtFn",
    "IngestReport",
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
    "update_copy",
]

_MODULES = {
    "buckets": ("Buckets",),
    "copying": ("update_copy",),
    "digests": ("EarlyDigests",),
    "expiry": ("due", "require_current", "require_nothing_due"),
    "forgetting": ("KINDS",),
    "lifecycle": ("forget", "purge", "rotate"),
    "peek": ("file_schema",),
    "reading": ("OpenFile",),
    "report": ("IngestReport",),
    "runner": ("Done", "ProgressFn", "Runner", "Work"),
    "settling": ("OrderFn",),
    "sources": ("FilesAtFn",),
    "store": ("Store",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "keys":
        return import_module("flockwise.store.keys")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"flockwise.store.{_MODULE_OF[name]}"), name)
    return found
