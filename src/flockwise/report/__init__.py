"""One self-contained page about a release, made from the published folder and nothing else."""

from __future__ import annotations

from flockwise.report._build import build

__all__ = ["build"]
