"""The command line: a thin mirror of `flockwise.api`. Results on stdout, messages on stderr."""

from flockwise.cli.commands import main

__all__ = ["main"]
