"""The error of a folder that is not what it says."""

from __future__ import annotations

from flockwise.errors import ArtifactError

__all__ = ["fail"]


def fail(code: str, what: str, got: str = "") -> ArtifactError:
    """An ArtifactError with the advice that fits all of them."""
    return ArtifactError(code, what=what, got=got, state="The folder is as it was.", fix="Don't use these figures. Get the folder again from its publisher.")
