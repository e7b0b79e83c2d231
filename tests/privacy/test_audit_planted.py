"""Every bug of the design's list, planted one at a time, is seen by the checks of the short audit that are named for it."""

from __future__ import annotations

import pytest
from tests.privacy.planted.bugs import BUGS

from flockwise.audit import CHECKS, Settings, carry_out

BY_NAME = {check.name: check for check in CHECKS}
DESIGN = {
    "clip skipped in one table", "sigma halved", "rounded to nearest", "integer overflow", "noise reused across levels", "same seed on changed data",
    "threshold on true values", "domain from data", "margins from unmaterialised zeros", "ghosts last in the file",
    "withheld rows listed only if non-empty", "totals uncharged", "weights from exact counts", "continuous tail for the discrete",
    "> for >= among the rows given", "zero keys kept", "a crash redraw uncharged", "ledger reset by ingest", "an exception on one device",
    "GLS weights from truth", "float noise",
}  # fmt: skip


def test_the_designs_list_is_planted() -> None:
    assert len(DESIGN) == 21
    assert set(BUGS) >= DESIGN


def test_every_check_sees_a_bug() -> None:
    """A check that no bug can fail would show nothing."""
    seen = {name for bug in BUGS.values() for name in bug.seen_by}
    assert set(BY_NAME) == seen


@pytest.mark.rule(16)
@pytest.mark.rule(20)
@pytest.mark.rule(22)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    with monkeypatch.context() as patch:
        bug.plant(patch)
        rows = carry_out([BY_NAME[check] for check in bug.seen_by], Settings())
    for row in rows:
        assert not row.finding.passed, f"{row.check.name}: {row.finding.text}"
        # A bug that merely stops the check would have been seen by nobody.
        assert not row.finding.text.startswith("stopped with"), f"{row.check.name}: {row.finding.text}"
        print(f"{row.check.name}: {row.finding.text}")
