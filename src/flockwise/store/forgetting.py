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
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from flockwise.errors import ConfigError, DataError, FlockwiseError
from flockwise.governance import REASONS
from flockwise.store import parse
from flockwise.store.optouts import OptOuts
from flockwise.store.pseudonym import LONGEST_ID, Pseudonyms
from flockwise.store.sources import SourceFile, codec, find, unreadable

__all__ = ["KINDS", "Kind", "Listed", "read_list"]

Ints = npt.NDArray[np.int64]
Kind = Literal["ids", "hashed"]
KINDS: tuple[Kind, ...] = ("ids", "hashed")
RECEIVED = "received"
_UNTOUCHED = "Nothing was changed."
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_LOOKS_LIKE_AN_ID = re.compile(r"[0-9a-fA-F]{16,}|[0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
_ROWS = 1 << 16


@dataclass(frozen=True)
class Listed:
    """What a list came to.

    Args:
        bases: its devices, each once.
        entries: rows of the list.
        unreadable: rows that hold no identifier.
        received: the earliest day of its column `received`, if it has one.
    """

    bases: OptOuts
    entries: int
    unreadable: int
    received: date | None


def read_list(address: str, kind: Kind, device_type: str, pseudonyms: Pseudonyms, column: str | None = None) -> Listed:
    """The devices on a list.

    Args:
        address: a CSV or Parquet file; by default its one column besides `received` is taken.
        kind: "ids" as the supplier's files have them, or "hashed": SHA-256 in hexadecimal of the normalised identifier (a UUID in lower case with hyphens, an
            integer in decimal digits, a text as it is).
        device_type: of the study.
        pseudonyms: of the study.
        column: the column with the identifiers.

    Raises:
        ConfigError: FORGET_COLUMN.
        DataError: it can't be read (INGEST_...), or no row of it holds an identifier (FORGET_UNREADABLE).
    """
    files = find([address])
    if len(files) != 1:
        raise ConfigError("FORGET_ONE_FILE", what="A list is one file.", got=f"{len(files)} files", state=_UNTOUCHED, fix="Name one file at a time.")
    sets: list[OptOuts] = []
    entries = bad = 0
    received: date | None = None
    reason = np.uint8(REASONS.index("deleted"))
    for ids, days in _batches(files[0], column):
        high, low, good = _bases(ids, kind, device_type, pseudonyms)
        sets.append(OptOuts.of(high[good], low[good], np.full(int(good.sum()), reason)))
        if len(sets) >= 64:
            sets = [OptOuts.union(sets)]
        entries, bad = entries + len(ids), bad + int((~good).sum())
        if days is not None and len(days):
            earliest = min(_day(text) for text in set(days.to_pylist()))
            received = earliest if received is None else min(received, earliest)
    if entries and bad == entries:
        raise DataError(
            "FORGET_UNREADABLE",
            what="No row of the list holds an identifier of this study's kind.",
            expected=f"{'SHA-256 in 64 hexadecimal digits' if kind == 'hashed' else device_type} in every row",
            state=_UNTOUCHED,
            fix="Check --kind and --column.",
        )
    return Listed(OptOuts.union(sets), entries, bad, received)


def _batches(file: SourceFile, column: str | None) -> Iterator[tuple[pa.Array[Any], pa.Array[Any] | None]]:
    """Identifiers and dates of receipt as texts, some rows at a time."""
    try:
        with file.arrow().open_input_file(file.path) as raw:
            if file.form == "parquet":
                with pq.ParquetFile(raw) as opened:
                    wanted = _column(opened.schema_arrow.names, column)
                    for batch in opened.iter_batches(_ROWS, columns=[n for n in (wanted, RECEIVED) if n in opened.schema_arrow.names]):
                        yield _text(batch.column(wanted)), _text(batch.column(RECEIVED)) if RECEIVED in batch.schema.names else None
            else:
                names = pacsv.open_csv(codec(file, raw)).schema.names
                wanted = _column(names, column)
                raw.seek(0)
                texts = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
                for batch in pacsv.open_csv(codec(file, raw), convert_options=texts):
                    yield batch.column(wanted), batch.column(RECEIVED) if RECEIVED in names else None
    except FlockwiseError:
        raise
    except (OSError, pa.ArrowException, ValueError) as error:
        raise unreadable(file.shown, error) from error


def _column(names: list[str], wanted: str | None) -> str:
    others = [n for n in names if n != RECEIVED]
    if wanted is None and len(others) == 1 and not _LOOKS_LIKE_AN_ID.fullmatch(others[0].strip()):
        return others[0]
    if wanted is not None and names.count(wanted) == 1:
        return wanted
    raise ConfigError(
        "FORGET_COLUMN",
        what="The column of the identifiers is not known.",
        got=f"{len(names)} columns" if wanted is None else f"no single column {wanted}",
        expected="one column with a header, or --column",
        state=_UNTOUCHED,
        fix="Name it with --column; give a file without a header one.",
    )


def _text(column: pa.Array[Any]) -> pa.Array[Any]:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if pa.types.is_fixed_size_binary(column.type):
        return pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _bases(ids: pa.Array[Any], kind: Kind, device_type: str, pseudonyms: Pseudonyms) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    if kind == "hashed":
        texts = [(t or "").strip() for t in ids.to_pylist()]
        good = np.array([_HASH.fullmatch(t) is not None for t in texts], np.bool_)
        raw = b"".join(bytes.fromhex(t[:32]) if ok else bytes(16) for t, ok in zip(texts, good, strict=True))
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


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat((text or "").strip()[:10])
    except ValueError as error:
        raise DataError(
            "FORGET_RECEIVED",
            what="A date in the column received can't be read.",
            expected="YYYY-MM-DD in every row",
            state=_UNTOUCHED,
            fix="Correct the list, or leave the column out and give --received.",
        ) from error
