"""study.toml as a typed model: one page that says what a study is."""

from flockwise.config.loading import load, parse, schema
from flockwise.config.model import (
    Cleaning,
    FlowsTable,
    Input,
    Ledger,
    PresenceTable,
    Privacy,
    Publisher,
    RegionSpec,
    Stays,
    Store,
    Study,
    Table,
    WindowSpec,
)
from flockwise.config.template import ColumnGuess, guess_columns, template

__all__ = [
    "Cleaning",
    "ColumnGuess",
    "FlowsTable",
    "Input",
    "Ledger",
    "PresenceTable",
    "Privacy",
    "Publisher",
    "RegionSpec",
    "Stays",
    "Store",
    "Study",
    "Table",
    "WindowSpec",
    "guess_columns",
    "load",
    "parse",
    "schema",
    "template",
]
