"""Names and types of a file's columns, for `flockwise init`."""

from __future__ import annotations

import pyarrow as pa

from flockwise.store import reading
from flockwise.store.sources import find, unreadable

__all__ = ["file_schema"]


def file_schema(address: str) -> pa.Schema:
    """Names and types of the columns of the first file at an address. A CSV file has names only: every type is text.

    Raises:
        DataError: there is no such file, or it can't be read.

    Privacy:
        No value of any row is looked at.
    """
    source = find([address])[0]
    try:
        return reading.file_schema(source)
    except PermissionError as error:
        raise unreadable(source.shown, error) from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        raise reading.broken(source, error) from error
