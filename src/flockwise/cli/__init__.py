"""The command line: a thin mirror of `flockwise.api`. Results on stdout, messages on stderr."""

from flockwise.cli.commands import main
from flockwise.cli.log import log
from flockwise.cli.officer import caps, quality, register, request, serve
from flockwise.cli.places import places
from flockwise.cli.supplier import quarantine, supplier

main.add_command(supplier)
main.add_command(places)
main.add_command(quarantine)
main.add_command(log)
for _command in (register, quality, caps, request, serve):
    main.add_command(_command)

__all__ = ["main"]
