from __future__ import annotations

from flockwise.audit.checking import ALARM, Check, Evidence, Finding, Settings, carry_out


def test_statements_alone_pass_or_fail_by_their_number() -> None:
    good, bad = Evidence(), Evidence()
    for evidence in (good, bad):
        evidence.holds(True, "one")
    bad.holds(0, "two")
    bad.holds(False, "two")
    assert good.finding("all well") == Finding(True, 0.0, 0.0, "most", "all well; 1 statements hold")
    assert bad.finding("all well") == Finding(False, 1.0, 0.0, "most", "two")


def test_the_least_chance_decides_times_how_many_there_were() -> None:
    for chance, passed in ((ALARM / 2, True), (ALARM / 4, False), (float("nan"), False)):
        evidence = Evidence()
        for value in (0.5, chance, 0.7):
            evidence.chance(value, "too rare")
        found = evidence.finding("as expected")
        assert found.passed is passed
        assert found.bound == ALARM
        assert ("too rare" in found.text) is not passed


def test_a_fault_fails_whatever_the_chances_are() -> None:
    evidence = Evidence()
    evidence.chance(0.5, "too rare")
    evidence.holds(False, "wrong")
    assert evidence.finding("as expected") == Finding(False, 1.0, 0.0, "most", "wrong")


def test_a_check_that_stops_has_failed_and_tells_no_message() -> None:
    def stops(_: Settings) -> Finding:
        raise ValueError("secret 40.712345")

    seen: list[tuple[str, int, int]] = []
    fine = Check("fine", "claim", lambda _: Finding(True, 0.0, 0.0, "most", "well"))
    rows = carry_out([fine, Check("stops", "claim", stops), fine], Settings(), lambda *told: seen.append(told))
    assert [row.as_dict()["result"] for row in rows] == ["passed", "FAILED", "passed"]
    assert rows[1].finding.text == "stopped with ValueError"
    assert seen == [("audit", 1, 3), ("audit", 2, 3), ("audit", 3, 3)]


def test_the_simulation_depends_on_seed_and_purpose_alone() -> None:
    draws = [Settings(seed).generator(purpose).random() for seed, purpose in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
