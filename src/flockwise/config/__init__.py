"""study.toml as a typed model: one page that says what a study is."""

from flockwise.config.engine import SparkSpec
from flockwise.config.loading import load, parse, schema
from flockwise.config.model import (
    Cleaning,
    EngineSpec,
    FlowsTable,
    Input,
    Ledger,
    PlacesSpec,
    PresenceTable,
    Privacy,
    Publisher,
    RegionSpec,
    Stays,
    Store,
    Study,
    SupplierSpec,
    Table,
    WindowSpec,
)
from flockwise.config.purposes import FORBIDDEN, PURPOSES, Purpose
from flockwise.config.supplier import Supplier, read_supplier, supplier_schema
from flockwise.config.supplier_template import supplier_draft, supplier_of_simulation
from flockwise.config.template import ColumnGuess, guess_columns, template

__all__ = [
    "FORBIDDEN",
    "PURPOSES",
    "Cleaning",
    "ColumnGuess",
    "EngineSpec",
    "FlowsTable",
    "Input",
    "Ledger",
    "PlacesSpec",
    "PresenceTable",
    "Privacy",
    "Publisher",
    "Purpose",
    "RegionSpec",
    "SparkSpec",
    "Stays",
    "Store",
    "Study",
    "Supplier",
    "SupplierSpec",
    "Table",
    "WindowSpec",
    "guess_columns",
    "load",
    "parse",
    "read_supplier",
    "schema",
    "supplier_draft",
    "supplier_of_simulation",
    "supplier_schema",
    "template",
]
