"""The durable privacy budget: charged before anything is drawn, append-only, hash-chained, never reset."""

from flockwise.ledger.book import Ledger
from flockwise.ledger.chain import Entry

__all__ = ["Entry", "Ledger"]
