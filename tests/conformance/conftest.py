"""The server that tests of the shared ledger use, and the order of those of the engines."""

import pytest
from tests.conformance.postgres import server

__all__ = ["server"]

ENGINES = ("local", "spark", "cluster")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of one engine stand together, so that each engine is started once: pytest groups by the place of a parameter in its list, not by its value."""

    def engine(item: pytest.Item) -> str | None:
        found = getattr(item, "callspec", None)
        return None if found is None or item.path.name != "test_engines.py" else found.params.get("under")

    places = [i for i, item in enumerate(items) if engine(item) in ENGINES]
    for place, item in zip(places, sorted((items[i] for i in places), key=lambda item: ENGINES.index(str(engine(item)))), strict=True):
        items[place] = item
