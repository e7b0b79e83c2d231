"""Writes report.html."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from flockwise.base.files import write_durably
from flockwise.errors import ArtifactError
from flockwise.report._page import page
from flockwise.report._payload import names_of, payload
from flockwise.report._read import read

__all__ = ["build"]


def build(artifact_dir: Path, out: Path | None = None) -> Path:
    """The path of a self-contained HTML report of a published folder.

    The page makes no request. It holds what the folder publishes and nothing more; the same folder gives the same bytes. It is written whole or not at all.

    Args:
        artifact_dir: a published folder (format 1).
        out: where to write; `report.html` in the folder by default.

    Raises:
        ArtifactError: the folder is not a published folder, or `out` can't be written.

    Privacy: reads published figures only; charges nothing.
    """
    try:
        artifact = read(artifact_dir)
        names = names_of(artifact)
        text = page(artifact, names, payload(artifact, names))
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError, OSError, pa.ArrowException) as error:
        # A folder is anybody's: what it holds besides is no bug of ours.
        raise ArtifactError(
            "REPORT_NOT_SOUND",
            what="The folder holds something that no release holds, and no report can be made of it.",
            got=type(error).__name__,
            state="No report was written; an earlier one is left as it was.",
            fix="Check the folder with `flockwise verify`.",
        ) from error
    target = out if out is not None else artifact_dir / "report.html"
    try:
        # A report is made to be shown: it gets the rights that any new file of this user gets.
        write_durably(target, text.encode("utf-8"), mode=0o666)
    except OSError as error:
        raise ArtifactError(
            "REPORT_NOT_WRITTEN",
            what="The report can't be written.",
            got=type(error).__name__,
            expected="a folder that can be written to",
            state="No report was written; an earlier one is left as it was.",
            fix="Choose another place for the report.",
        ) from error
    return target
