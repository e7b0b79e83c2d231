"""Deletion lists in bulk: identifiers, or SHA-256 hashes of them, as bases of the data set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.errors import ConfigError, DataError, FlockwiseError
from flockwise.governance import REASONS
from flockwise.store import csvfile, parse
from flockwise.store.optouts import OptOuts
from flockwise.store.pseudonym import LONGEST_ID, Pseudonyms
from flockwise.store.reading import file_schema, parquet_batches, short_texts
from flockwise.store.sources import SourceFile, find, unreadable

__all__ = ["KINDS", "Kind", "Listed", "read_list"]

Ints = npt.NDArray[np.int64]
Kind = Literal["ids", "hashed"]
KINDS: tuple[Kind, ...] = ("ids", "hashed")
RECEIVED = "received"
_UNTOUCHED = "Nothing was changed."
_HASH = re.compile(rb"[0-9a-fA-F]{64}")
_LOOKS_LIKE_AN_ID = re.compile(r"[0-9a-fA-F]{16,}|[0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
_ROWS = 1 << 16


@dataclass(frozen=True)
class Listed:
    """What a list came to.

    Args:
        bases: its devices, each once.
        entries: rows of the list.
        unreadable: rows that hold no identifier.
        undated: rows whose day of receipt can't be read, of a list that has such a column.
        received: the earliest day that is known.
    """

    bases: OptOuts
    entries: int
    unreadable: int
    undated: int
    received: date | None


def read_list(address: str, kind: Kind, device_type: str, pseudonyms: Pseudonyms, column: str | None = None, received: date | None = None) -> Listed:
    """The devices on a list. A row that can't be read is counted and keeps no other row off: all other requests on the list are due.

    Args:
        address: a CSV or Parquet file; by default its one column besides `received` is taken.
        kind: "ids" as the supplier's files have them, or "hashed": SHA-256 in hexadecimal of the normalised identifier (a UUID in lower case with hyphens, an
            integer in decimal digits, a text as it is).
        device_type: of the study.
        pseudonyms: of the study.
        column: the column with the identifiers.
        received: when the list was received, if that is known from elsewhere.

    Raises:
        ConfigError: FORGET_COLUMN.
        DataError: it can't be found or opened (INGEST_...), it is damaged as a whole (FORGET_BROKEN_LIST), no row of it holds an identifier
            (FORGET_UNREADABLE), or it has days of receipt and none can be read (FORGET_RECEIVED).
    """
    files = find([address])
    if len(files) != 1:
        raise ConfigError("FORGET_ONE_FILE", what="A list is one file.", got=f"{len(files)} files", state=_UNTOUCHED, fix="Name one file at a time.")
    sets: list[OptOuts] = []
    entries = bad = undated = 0
    dated = False
    reason = np.uint8(REASONS.index("deleted"))
    for ids, days, malformed in _batches(files[0], column):
        high, low, good = _bases(ids, kind, device_type, pseudonyms)
        sets.append(OptOuts.of(high[good], low[good], np.full(int(good.sum()), reason)))
        if len(sets) >= 64:
            sets = [OptOuts.union(sets)]
        entries, bad = entries + len(ids) + malformed, bad + int((~good).sum()) + malformed
        if days is not None:
            found = [_day(text) for text in days.to_pylist()]
            undated += found.count(None) + malformed
            dated = dated or found.count(None) < len(found)
            received = min((day for day in (*found, received) if day is not None), default=None)
    if entries and bad == entries:
        raise DataError(
            "FORGET_UNREADABLE",
            what="No row of the list holds an identifier of this study's kind.",
            expected=f"{'SHA-256 in 64 hexadecimal digits' if kind == 'hashed' else device_type} in every row",
            state=_UNTOUCHED,
            fix="Check --kind and --column.",
        )
    if undated and not dated and received is None:
        raise DataError(
            "FORGET_RECEIVED",
            what="No day in the column received can be read.",
            expected="YYYY-MM-DD in every row",
            state=_UNTOUCHED,
            fix="Give --received, or correct the list.",
        )
    return Listed(OptOuts.union(sets), entries, bad, undated, received)


def _batches(file: SourceFile, column: str | None) -> Iterator[tuple[pa.Array[Any], pa.Array[Any] | None, int]]:
    """Identifiers and days of receipt, some rows at a time, and how many rows are malformed."""
    try:
        schema = file_schema(file)
        wanted = _column(schema, column)
        columns = [wanted, RECEIVED] if schema.names.count(RECEIVED) == 1 and wanted != RECEIVED else [wanted]
        for batch, malformed in _read(file, columns):
            yield _plain(batch.column(0)), _plain(batch.column(1)) if len(columns) > 1 else None, malformed
    except FlockwiseError:
        raise
    except PermissionError as error:
        raise unreadable(file.shown, error) from error
    except (OSError, EOFError, pa.ArrowException, ValueError) as error:
        raise DataError(
            "FORGET_BROKEN_LIST",
            what="The list is damaged, cut off, or not what its name says.",
            got=type(error).__name__,
            expected="a whole Parquet file" if file.form == "parquet" else "a whole CSV file with a header line",
            state=f"{_UNTOUCHED} Nobody on the list is barred yet.",
            fix="Get the list again: its requests are due whether it can be read or not.",
        ) from error


def _read(file: SourceFile, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, int]]:
    if file.form == "parquet":
        for batch, _ in parquet_batches(file, columns, _ROWS):
            yield short_texts(batch), 0
    else:
        for rows in csvfile.pieces(file):
            yield rows.parse(columns)


def _column(schema: pa.Schema, wanted: str | None) -> str:
    names = schema.names
    others = [n for n in names if n != RECEIVED]
    if wanted is None and len(others) == 1 and not _LOOKS_LIKE_AN_ID.fullmatch(others[0].strip()):
        wanted = others[0]
    got = f"{len(names)} columns" if wanted is None else f"no single column {wanted}"
    if wanted is not None and names.count(wanted) == 1:
        if not pa.types.is_nested(schema.field(wanted).type):
            return wanted
        got = f"{wanted}: {schema.field(wanted).type}"[:80]
    raise ConfigError(
        "FORGET_COLUMN",
        what="The column of the identifiers is not known.",
        got=got,
        expected="one column of identifiers with a header, or --column",
        state=_UNTOUCHED,
        fix="Name it with --column; give a file without a header one.",
    )


def _plain(column: pa.Array[Any]) -> pa.Array[Any]:
    """A column as bytes of texts; what is no text is none. In a CSV file an identifier is any bytes, as in a delivery."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if pa.types.is_fixed_size_binary(column.type):
        return pa.array([None if v is None else v.hex().encode() for v in column.to_pylist()], pa.binary())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.string()).cast(pa.binary())


def _bases(ids: pa.Array[Any], kind: Kind, device_type: str, pseudonyms: Pseudonyms) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    if kind == "hashed":
        texts = [(t or b"").strip() for t in ids.to_pylist()]
        good = np.array([_HASH.fullmatch(t) is not None for t in texts], np.bool_)
        raw = b"".join(bytes.fromhex(t[:32].decode()) if ok else bytes(16) for t, ok in zip(texts, good, strict=True))
        return *pseudonyms.bases_of_hashes(np.frombuffer(raw, np.uint8).reshape(-1, 16)), good
    data, offsets = parse.texts(ids)
    lengths = np.diff(offsets)
    if device_type == "uuid":
        uuids, status = parse.uuids(data, offsets)
        return *pseudonyms.bases(*pseudonyms.of_uuids(uuids)), (status == parse.OK) & uuids.any(axis=1)
    if device_type == "integer":
        numbers, status = parse.integers(data, offsets)
        return *pseudonyms.bases(*pseudonyms.of_integers(numbers)), status == parse.OK
    good = (lengths > 0) & (lengths <= LONGEST_ID)
    return *pseudonyms.bases(*pseudonyms.of_texts(data, offsets)), good


def _day(text: bytes | None) -> date | None:
    try:
        return date.fromisoformat((text or b"").strip()[:10].decode("ascii"))
    except ValueError:
        return None
