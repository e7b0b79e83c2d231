"""The command line: a thin mirror of `flockwise.api`. Results on stdout, messages on stderr."""

from flockwise.cli.commands import main
from flockwise.cli.log import log
from flockwise.cli.officer import caps, quality, register, request, serve
from flockwise.cli.places import places
from flockwise.cli.steward import forget, purge, rotate
from flockwise.cli.supplier import quarantine, supplier

for _command in (supplier, places, quarantine, log, register, quality, caps, request, serve, forget, purge, rotate):
    main.add_command(_command)

__all__ = ["main"]
