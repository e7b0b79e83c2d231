"""The durable privacy budget: charged before anything is drawn, append-only, hash-chained, never reset."""

from flockwise.ledger.book import Ledger
from flockwise.ledger.chain import Entry
from flockwise.ledger.exposure import Exposure, WindowCharge
from flockwise.ledger.places import place
from flockwise.ledger.storage import Storage

__all__ = ["Entry", "Exposure", "Ledger", "Storage", "WindowCharge", "place"]
