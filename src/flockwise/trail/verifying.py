"""The check of a whole trail, also against witnesses outside of it: the heads that certificates carry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flockwise.trail.chain import damaged
from flockwise.trail.folder import Trail
from flockwise.trail.steps import Witness

__all__ = ["verify"]


def verify(path: Path, key: str | None = None, witnesses: Sequence[tuple[Witness, int]] = ()) -> list[str]:
    """What was checked, one sentence for each check, if all of it holds.

    Args:
        path: the trail's folder.
        key: public key that must have signed it; by default the one that its head names.
        witnesses: what certificates say of the trail, each with the year of its release's window. Someone who has the key can write a whole trail anew; a
            certificate that was published can't be unsaid. Of years that were dropped there is nothing left to compare.

    Raises:
        TrailError: a line was changed, added, removed or moved, the end was cut off, another key was used, or a witness contradicts the trail.
    """
    trail = Trail(path)
    events = trail.events(key)
    head = trail.head()
    done = [
        "every line is in canonical form, says what an event can say, and is signed with the trail's key",
        "the lines follow one another without a gap, and end where the signed head says",
    ]
    if key is not None:
        done.append("the key is the one that was expected")
    if head.first:
        done.append("what is older was dropped after five years; the head keeps the hash of its last line")
    there = {e.digest for e in events}
    for witness, year in witnesses:
        if witness.key != head.key:
            raise damaged("TRAIL_OTHER_KEY", "a certificate was made beside a trail with another key")
        dropped = head.first > 0 and year < head.since
        if witness.last not in there and not dropped:
            raise damaged("TRAIL_WITNESS", "a certificate saw a line that is not there")
    if witnesses:
        done.append("the trail holds the line that each certificate saw")
    return done
