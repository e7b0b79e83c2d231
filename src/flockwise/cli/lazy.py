"""The api, imported when a command first calls it: `--help` and a mistyped option need none of it. Commands import it from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["api"]

if TYPE_CHECKING:
    from flockwise import api
else:

    class _Api:
        def __getattr__(self, name):
            from flockwise import api as front_door

            return getattr(front_door, name)

    api = _Api()
