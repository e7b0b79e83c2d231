"""The record of a release: an entry for the OpenDP deployments registry, the answers to NIST SP 800-226, and a draft impact assessment.

Every text is a function of one typed `Facts`, which holds public facts and released summaries. Knows neither pings nor tables.
"""

from flockwise.record.facts import Charge, Exposure, Facts, Group, Input, Measured, Region, SensitivePlaces, Statements, Supplier, Table, Window
from flockwise.record.files import ASSESSMENT, FILES, NIST, REGISTRY, assessment, check, texts
from flockwise.record.registry import FORMAT, Missing, Record, record, record_schema

__all__ = [
    "ASSESSMENT",
    "FILES",
    "FORMAT",
    "NIST",
    "REGISTRY",
    "Charge",
    "Exposure",
    "Facts",
    "Group",
    "Input",
    "Measured",
    "Missing",
    "Record",
    "Region",
    "SensitivePlaces",
    "Statements",
    "Supplier",
    "Table",
    "Window",
    "assessment",
    "check",
    "record",
    "record_schema",
    "texts",
]
