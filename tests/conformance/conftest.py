"""The server that tests of the shared ledger use."""

from tests.conformance.postgres import server

__all__ = ["server"]
