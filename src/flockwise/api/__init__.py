"""The library's front door: one function for each thing that Flockwise does.

Every function takes paths and gives back a small result with `as_dict()` and a readable `str()`. Heavy parts are imported when they are used.
No function takes or gives a device.
"""

from __future__ import annotations

from flockwise.api.demonstration import demo
from flockwise.api.oversight import (
    audit,
    caps_key,
    caps_show,
    caps_sign,
    ledger,
    ledger_check,
    log_begin,
    log_expire,
    log_incident,
    log_recipient,
    log_show,
    log_verify,
    request,
    serve,
)
from flockwise.api.pings import forget, ingest, purge, quarantine, rotate, supplier_check
from flockwise.api.places import places_apply, places_build, places_review, places_show, places_status
from flockwise.api.preparing import assess, check, init, plan, simulate
from flockwise.api.publishing import quality, register, release, report, risk, verify, weights

__all__ = [
    "assess",
    "audit",
    "caps_key",
    "caps_show",
    "caps_sign",
    "check",
    "demo",
    "forget",
    "ingest",
    "init",
    "ledger",
    "ledger_check",
    "log_begin",
    "log_expire",
    "log_incident",
    "log_recipient",
    "log_show",
    "log_verify",
    "places_apply",
    "places_build",
    "places_review",
    "places_show",
    "places_status",
    "plan",
    "purge",
    "quality",
    "quarantine",
    "register",
    "release",
    "report",
    "request",
    "risk",
    "rotate",
    "serve",
    "simulate",
    "supplier_check",
    "verify",
    "weights",
]
