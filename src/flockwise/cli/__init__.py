"""The command line: a thin mirror of `flockwise.api`. Results on stdout, messages on stderr."""

from flockwise.cli.commands import main
from flockwise.cli.log import log
from flockwise.cli.supplier import quarantine, supplier

main.add_command(supplier)
main.add_command(quarantine)
main.add_command(log)

__all__ = ["main"]
