"""What leaves: releases and assessments, which are charged, and what is made of published folders, which is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flockwise import config, trail
from flockwise.api.outcome import Outcome, Progress
from flockwise.base.files import write_durably

__all__ = ["quality", "register", "release", "report", "risk", "verify", "weights"]


def release(study_path: Path, out: Path, progress: Progress | None = None) -> Outcome:
    """Charges the ledger, draws the noise and writes the release to a folder.

    The same plan on unchanged data gives back the same bytes and charges nothing.

    Args:
        study_path: the study file.
        out: folder to publish into; new, empty, or an earlier release.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        RuleError: the supplier's record does not allow it, or the list of sensitive places is missing, not reviewed, stale or not applied. Nothing was spent.
        StoreError: nothing has been ingested.

    Privacy:
        Charges rho of the plan once to the study's ledger, before anything is drawn.
    """
    from flockwise import release as releasing
    from flockwise.governance import places, suppliers
    from flockwise.office import caps

    study = config.load(Path(study_path))
    trail.require(study)
    with trail.refusals(study, "release"):
        suppliers.require_for_release(study)
        places.required(study)
        caps.require(study)
        done = releasing.publish(study, Path(out), progress)
    return Outcome(f"Released to {out}.", done.as_dict(), done.notes)


def risk(study_path: Path, out: Path, *, epsilon: str, progress: Progress | None = None) -> Outcome:
    """Writes what a study's pings would reveal if they leaked: a table, a page and a certificate. Charges the ledger.

    The same epsilon on unchanged data gives back the same figures and charges nothing.

    Args:
        study_path: the study file; its delta, window, region, cleaning and ledger hold.
        out: folder to write into; new, empty, or an earlier assessment.
        epsilon: what the assessment may cost, exact, as text, such as "0.5".
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: epsilon is not exact, out of range, or too small to learn anything.
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        StoreError: nothing has been ingested.
        ArtifactError: something else is in the way at `out`. Nothing was spent.

    Privacy:
        Charges epsilon at the study's delta once to its ledger, before anything is drawn. Every figure is noisy; none is about a device.
    """
    from flockwise import risk as assessing
    from flockwise.governance import places, suppliers
    from flockwise.office import caps

    study = config.load(Path(study_path))
    trail.require(study)
    with trail.refusals(study, "risk"):
        suppliers.require_for_release(study)
        places.required(study)
        begun = trail.record(study, "risk_begun", {})
        caps.require(study, epsilon=assessing.make_plan(study, epsilon).privacy.epsilon)
        done = assessing.publish(study, epsilon, Path(out), progress)
        if begun is not None:
            trail.record(study, "risk", {"of": begun.number, "charged": "yes" if done.charged else "no"})
    return Outcome(f"Assessed in {out}.", done.as_dict(), done.notes)


def report(folder: Path, out: Path | None = None) -> Outcome:
    """Writes the report of a published folder: one HTML file that asks nothing of any network.

    Args:
        folder: a published folder.
        out: the page to write; by default `folder/report.html`.

    Raises:
        ArtifactError: the folder is not a whole release.

    Privacy:
        Reads the published folder and nothing else.
    """
    from flockwise import report as reporting

    page = reporting.build(Path(folder), None if out is None else Path(out))
    return Outcome(f"Wrote {page}.", {"report": str(page), "bytes": page.stat().st_size})


def verify(folder: Path) -> Outcome:
    """Checks a published folder: every byte, every table, and that the certificate's figures agree with each other.

    Args:
        folder: a published folder, of a release or of an assessment.

    Raises:
        ArtifactError: something is missing, was changed or does not agree.
    """
    import os

    from flockwise import artifact

    path = Path(folder)
    if os.path.lexists(path / "risk.json") and not os.path.lexists(path / "certificate.json"):
        from flockwise import risk as assessing

        return Outcome(f"{folder} is whole.", {"checked": assessing.verify(path)})
    return Outcome(f"{folder} is whole.", {"checked": artifact.verify(path)})


def weights(folder: Path, census: Path, out: Path, *, level: int, greatest: int) -> Outcome:
    """Makes weights to the census for a later study from a published folder, and says where the panel covers too few people.

    Args:
        folder: a published folder with presence, without weights.
        census: CSV file with the columns "cell" (H3, `level` or finer) and "people".
        out: CSV file to write, with the columns "cell" and "weight", for `[weights] file` of a study; `out` + ".json" says where it comes from.
        level: H3 resolution of the areas, one of the release's, 6 or coarser.
        greatest: no weight is larger; the study's `[weights] greatest` must be the same.

    Raises:
        ArtifactError: the folder can't be read, was changed, or can't be set against a census.
        DataError: the census can't be used.
        ConfigError: a level or a greatest weight that can't be used.

    Privacy:
        Post-processing of a release that was charged, and a public census: no new charge. No data is read.
    """
    from flockwise import artifact
    from flockwise import census as people

    artifact.verify(Path(folder))
    published, living = artifact.read(Path(folder)), people.read_census(Path(census))
    found = people.weigh(people.device_nights(published), living, level, greatest)
    write_durably(Path(out), people.table(found).encode())
    beside = Path(f"{out}.json")
    write_durably(beside, people.side_file(published, living, found, greatest).encode())
    facts = {**people.told(found), "source": people.source_of(published, living), "files": [str(out), str(beside)]}
    skew = "The panel is skewed: areas with a tenth of the people or more are covered otherwise than the whole." if found.skewed else None
    notes = ("Made of published figures and the census: nothing was charged.", *([skew] if skew else []))
    return Outcome(f"Weights for {facts['areas_with_a_weight']} areas.", facts, notes)


def quality(folder: Path, before: Sequence[Path] = ()) -> Outcome:
    """Warns where a release is far off earlier ones of the same panel (`quality.examine`). Published figures alone; charges nothing."""
    from flockwise import artifact
    from flockwise import quality as checking

    release_, past = artifact.read(Path(folder)), [artifact.read(Path(f)) for f in before]
    found, left = checking.examine(release_, past)
    days = [{"figure": s.figure, "day": d.day.isoformat(), "value": round(d.value, 1)} for s in checking.series(release_) for d in s.days]
    facts = {"warnings": [vars(w) for w in found], "days": days, "not_compared": left}
    return Outcome(
        f"{len(found)} warnings on {folder}.",
        facts,
        ("Made of published figures: nothing was charged. The share of slots seen is against the panel's public bound.",),
    )


def register(study_paths: Sequence[Path], out: Path, *, folders: Sequence[Path] = ()) -> Outcome:
    """Writes the public register of some studies (`office.register`)."""
    from flockwise.office import register as book

    found = book.collect([config.load(Path(p)) for p in study_paths], [Path(f) for f in folders])
    book.write(found, Path(out))
    return Outcome(f"Wrote the register to {out}.", {"page": str(Path(out) / book.PAGE), "releases": len(found.releases)}, (found.recall,))
