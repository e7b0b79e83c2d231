"""What is due: the end of the retention schedule, and the dates by which requests have to be carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from flockwise.base import clock
from flockwise.config import Study
from flockwise.errors import RuleError
from flockwise.store import keys
from flockwise.store.manifest import MANIFEST, Manifest
from flockwise.store.suppression import Suppression

__all__ = ["Due", "due", "expires", "require_current", "require_nothing_due"]


@dataclass(frozen=True)
class Due:
    """Something that has to be done by a day.

    Attributes:
        what: "purge" or "forget".
        by: the last day for it.
        overdue: whether that day has passed.
    """

    what: str
    by: date
    overdue: bool

    def text(self) -> str:
        """One line for a console.

        Example:
            >>> Due("purge", date(2026, 8, 1), True).text()
            'purge by 2026-08-01: OVERDUE'
        """
        return f"{self.what} by {self.by}" + (": OVERDUE" if self.overdue else "")


def expires(study: Study) -> date:
    """The first day on which the study's pings must not be there any more: so many days after the window's last."""
    return study.window.start + timedelta(days=study.window.days - 1 + study.store.retention_days)


def due(study: Study) -> list[Due]:
    """What has to be done about the study's store, soonest first; nothing if there is no store.

    Raises:
        ConfigError, RuleError, StoreError: the key, the store or the list can't be used.
    """
    root = study.store.path
    if not (root / MANIFEST).exists():
        return []
    manifest = Manifest.read(root)
    if manifest.purged:
        return []
    today = clock.today()
    found = [Due("purge", expires(study), today >= expires(study))]
    listed = Suppression.open(study, keys.load(study.store.key))
    found += [Due("forget", r.delete_by, today > r.delete_by) for r in listed.requests if r.number > manifest.forgotten]
    return sorted(found, key=lambda d: d.by)


def require_current(study: Study) -> None:
    """Refuses a study whose retention has ended.

    Raises:
        RuleError: STORE_EXPIRED.
    """
    if clock.today() >= expires(study):
        raise RuleError(
            "STORE_EXPIRED",
            what="The retention schedule of this study has ended: its pings may be neither used nor added to.",
            got=f"today is {clock.today()}",
            expected=f"a day before {expires(study)}",
            state="Nothing was read and nothing was spent.",
            fix="Run flockwise purge. Releases that were published stay.",
        )


def require_nothing_due(study: Study) -> None:
    """Refuses a release while anything is overdue.

    Raises:
        RuleError: STORE_EXPIRED, FORGET_OVERDUE.
    """
    require_current(study)
    if any(d.overdue for d in due(study) if d.what == "forget"):
        raise RuleError(
            "FORGET_OVERDUE",
            what="Requests for deletion are overdue: what they name is out of use, but still stored.",
            expected="deletion within 30 days of the request",
            state="Nothing was read and nothing was spent.",
            fix="Run: flockwise forget STUDY",
        )
