"""Checks a published folder from the outside: every byte, every row, and every figure of the certificate that can be recomputed.

What can't be found out this way: a folder that someone made whole anew, tables, certificate, checksums and all. Compare its SHA256SUMS with the publisher's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import sqrt
from pathlib import Path

import pyarrow as pa

from flockwise.artifact import claims
from flockwise.artifact.certificate import Certificate, Slots, TableSummary
from flockwise.artifact.failures import fail
from flockwise.artifact.folder import CERTIFICATE, README, REPORT, SUMS, Artifact, read, sha256_of
from flockwise.artifact.readme import readme
from flockwise.artifact.verify_day import check_typical_day, check_typical_day_means, fewest_days
from flockwise.artifact.verify_record import check_record
from flockwise.artifact.verify_sums import check_flow_sums, check_margin_sums, check_presence_sums
from flockwise.artifact.verify_tables import check_flows, check_margins, check_metadata, check_presence, check_zones
from flockwise.base.window import Window
from flockwise.base.words import overclaims
from flockwise.record import FILES

__all__ = ["verify"]

_MADE = ("typical_day", "margins")
"""Tables that have no noise of their own under their name: they are made of other blocks."""


def verify(folder: Path) -> list[str]:
    """What was checked, one sentence for each check, if all of it holds.

    Args:
        folder: a published folder. A report.html in it is not looked at.

    Raises:
        ArtifactError: at the first thing that does not hold; the code says which.

    Privacy:
        Reads published files alone.

    Source:
        The exact conditions on noise and budget are recomputed with code of their own (`claims`).
    """
    try:
        return _checked(folder)
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError, OSError, pa.ArrowException) as error:
        # A folder is anybody's. What no check below foresaw is a fault of the folder, not of whoever reads it.
        raise fail("ARTIFACT_NOT_SOUND", "The folder holds something that no release holds, and can't be checked.", type(error).__name__) from error


def _checked(folder: Path) -> list[str]:
    done: list[str] = []
    artifact = read(folder)
    certificate = artifact.certificate
    done.append(_check_files(artifact))
    done.append(_check_sums_file(folder))
    done.append(_check_certificate(artifact))
    done.append(_check_readme(artifact))
    done.append(_check_window(certificate))
    done.append(_check_bounds(certificate))
    done.append(_check_clip(certificate))
    done.append(_check_sigma(certificate))
    done.append(_check_epsilon(certificate))
    done.append(_check_words(certificate))
    done += check_metadata(artifact)
    done += check_zones(artifact)
    if "presence" in certificate.kinds():
        done += check_presence(artifact)
        done.append(check_presence_sums(artifact))
    if "typical_day" in certificate.kinds():
        done += check_typical_day(artifact)
        done += [check_presence_sums(artifact, "typical_day"), check_typical_day_means(artifact)]
    if "flows" in certificate.kinds():
        done += check_flows(artifact)
        done += check_margins(artifact)
        done += [check_flow_sums(artifact), check_margin_sums(artifact)]
    done.append(check_record(artifact))
    return done


def _check_files(artifact: Artifact) -> str:
    wanted = {CERTIFICATE, README, SUMS, "zones.parquet", *FILES, *(f"{kind}.parquet" for kind in artifact.certificate.kinds())}
    found = {p.name for p in artifact.path.iterdir()} - {REPORT}
    if found != wanted:
        raise fail("ARTIFACT_FILES", "The folder does not hold the files of a release.", f"missing or in excess: {', '.join(sorted(found ^ wanted))}")
    if any(not p.is_file() or p.is_symlink() for p in artifact.path.iterdir()):
        raise fail("ARTIFACT_FILES", "The folder holds something that is not a file.")
    return "the folder holds the files of a release and no others"


def _check_sums_file(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir() if p.name not in (SUMS, REPORT))
    wanted = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
    if (folder / SUMS).read_bytes() != wanted.encode("ascii"):
        found = set((folder / SUMS).read_text("utf-8", "replace").splitlines())
        changed = [line.split("  ")[1] for line in wanted.splitlines() if line not in found]
        raise fail("ARTIFACT_CHECKSUM", "A file is not the one that was published.", ", ".join(changed) or SUMS)
    return "every file has its checksum"


def _check_certificate(artifact: Artifact) -> str:
    certificate = artifact.certificate
    if (artifact.path / CERTIFICATE).read_text("utf-8", "replace") != certificate.to_json():
        raise fail("ARTIFACT_CERTIFICATE", "certificate.json is not in its canonical form.")
    actual = {p.name: sha256_of(p) for p in artifact.path.iterdir() if p.name not in (CERTIFICATE, SUMS, REPORT)}
    if certificate.files != actual:
        raise fail("ARTIFACT_CERTIFICATE", "The certificate was made for other files.", "files")
    kinds = ("presence", "typical_day", "flows", "margins")
    order = [(kinds.index(t.kind), -t.level) for t in certificate.tables]
    if order != sorted(set(order)):
        raise fail("ARTIFACT_CERTIFICATE", "The certificate does not list its tables once each, in order.", "tables")
    if sorted((b.table, b.level) for b in certificate.bounds.levels) != sorted(_blocks_of(certificate)):
        raise fail("ARTIFACT_CERTIFICATE", "The certificate's tables and bounds do not list the same blocks once each.", "tables, bounds.levels")
    return "the certificate fits its schema, is in canonical form and was made for these files"


def _check_readme(artifact: Artifact) -> str:
    if (artifact.path / README).read_text("utf-8", "replace") != readme(artifact.certificate):
        raise fail("ARTIFACT_README", "README.txt is not the one that belongs to the certificate.")
    return "README.txt says what the certificate says"


def _check_window(certificate: Certificate) -> str:
    ref = certificate.window
    try:
        window = Window(ref.first_day, ref.days, ref.timezone)
        start, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us) for us in (window.start_us, window.end_us))
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise fail("ARTIFACT_WINDOW", "The window can't be made out.", "window") from error
    if (ref.start, ref.end) != (start, end):
        raise fail("ARTIFACT_WINDOW", "The window's instants are not the local midnights of its days.", "window")
    for summary in certificate.tables:
        minutes = summary.slots.minutes
        if summary.kind == "presence" and (minutes is None or minutes * summary.slots.count * timedelta(minutes=1) != end - start):
            raise fail("ARTIFACT_WINDOW", "The slots do not fill the window.", summary.name)
        if summary.kind in ("flows", "margins") and (summary.slots.labels is None or len(summary.slots.labels) != summary.slots.count):
            raise fail("ARTIFACT_WINDOW", "The slots of the day are not listed.", summary.name)
        if summary.kind == "typical_day":
            _check_day(certificate, window, summary)
    return "the window runs from local midnight to local midnight and its slots fill it"


def _check_day(certificate: Certificate, window: Window, summary: TableSummary) -> None:
    minutes = next((t.slots.minutes for t in certificate.tables if t.kind == "presence"), None)
    if certificate.levels("typical_day") != certificate.levels("presence"):
        raise fail("ARTIFACT_CERTIFICATE", "Presence and the typical day do not have the same levels.", "tables")
    day = None if minutes is None else window.slots_of_day(minutes)
    if day is None or summary.slots != Slots(count=len(day[1]), labels=day[1]):
        raise fail("ARTIFACT_WINDOW", "The slots of the typical day are not those of a day of presence.", summary.name)


def _blocks_of(certificate: Certificate) -> list[tuple[str, int]]:
    """The blocks that a release with these tables draws noise for."""
    out: list[tuple[str, int]] = [(t.kind, t.level) for t in certificate.tables if t.kind not in _MADE]
    levels = certificate.levels("flows")
    out += [(ends, level) for level in levels for ends in ("departures", "arrivals")]
    return out + [(f"total_{ends}", level) for level in levels[-2:] for ends in ("departures", "arrivals")]


def _check_bounds(certificate: Certificate) -> str:
    bounds = certificate.bounds
    slots = {t.kind: t.slots.count for t in certificate.tables}
    groups = {g.name: g for g in bounds.groups}
    if len(groups) != len(bounds.groups) or {b.group for b in bounds.levels} != set(groups):
        raise fail("ARTIFACT_BOUNDS", "The groups are not those of the blocks, once each.", "bounds.groups")
    if sum((g.rho for g in bounds.groups), bounds.clip.rho if bounds.clip else Fraction(0)) != certificate.privacy.rho:
        raise fail("ARTIFACT_BOUNDS", "The reserved parts of the charge do not add up to it.", "bounds.groups")
    fixed = 0
    for block in bounds.levels:
        if block.table == "presence":
            norm = slots["presence"] * bounds.units**2
        elif block.table.startswith("total_"):
            norm = ((bounds.trips_cap or 0) * bounds.units) ** 2
        else:
            norm = (bounds.norm or 0) * bounds.units**2
        expected = "totals" if block.table.startswith("total_") else "shapes"
        bound = groups[block.group].bound
        if block.group != expected or block.norm != norm or norm <= 0 or block.share <= 0 or block.weight != int(block.share * bound / norm):
            raise fail("ARTIFACT_BOUNDS", "A block's weight does not follow from its share and norm.", f"{block.table}, level {block.level}")
        fixed += block.weight * block.norm if block.table == "presence" else 0
    for group in bounds.groups:
        if sum((b.share for b in bounds.levels if b.group == group.name), Fraction(0)) > 1 or (group.name == "shapes" and fixed > group.bound):
            raise fail("ARTIFACT_BOUNDS", "The blocks take more than the whole bound.", "bounds.levels")
    return "the reserved parts add up to the charge, and the blocks' whole-number weights follow from shares that add up to at most one"


def _check_clip(certificate: Certificate) -> str:
    bounds, clip = certificate.bounds, certificate.bounds.clip
    if clip is None:
        return "the contribution bounds are public"
    edges = clip.edges
    if list(edges) != sorted(set(edges)) or edges[0] < 1 or bounds.norm not in edges or len(clip.devices) != len(edges) + 1:
        raise fail("ARTIFACT_CLIP", "The bound of flows is not one that the histogram could choose.", "bounds.clip")
    if any(value * bounds.units != round(value * bounds.units) for value in clip.devices):
        raise fail("ARTIFACT_CLIP", "The histogram does not lie on the grid of the noise.", "bounds.clip")
    if not claims.scale_covers(Fraction(clip.sigma) * bounds.units, bounds.units**2, 1, clip.rho):
        raise fail("ARTIFACT_SIGMA", "The noise of the histogram is not what its part of the charge asks for.", "bounds.clip")
    return "the contribution bound of flows is one of the public edges, chosen by a noisy histogram that its own part of the charge paid for"


def _check_sigma(certificate: Certificate) -> str:
    bounds = certificate.bounds
    groups = {g.name: g for g in bounds.groups}
    for block in bounds.levels:
        group = groups[block.group]
        if not claims.scale_covers(Fraction(block.sigma) * bounds.units, group.bound, block.weight, group.rho):
            raise fail("ARTIFACT_SIGMA", "A block's noise is not what its part of the charge asks for.", f"{block.table}, level {block.level}")
    for t in certificate.tables:
        found = bounds.block({"margins": "departures", "typical_day": "presence"}.get(t.kind, t.kind), t.level)
        days = fewest_days(certificate) if t.kind == "typical_day" else 1
        if found is None or found.sigma * bounds.scale / sqrt(days) != t.sigma:
            raise fail("ARTIFACT_SIGMA", "A table's noise is not that of its block.", t.name)
    return "every block's noise is what its part of the charge asks for, in exact arithmetic: one device costs at most rho over all of them"


def _check_epsilon(certificate: Certificate) -> str:
    privacy, year, noise = certificate.privacy, certificate.year, certificate.privacy.noise
    if min(privacy.rho, privacy.epsilon, privacy.delta) <= 0 or privacy.delta > Fraction(1, 10 * certificate.bounds.panel_bound):
        raise fail("ARTIFACT_EPSILON", "epsilon, delta or rho is out of range.", "privacy")
    if not claims.gives_epsilon(privacy.rho, privacy.epsilon, privacy.delta, noise) or not claims.is_tight(privacy.rho, privacy.epsilon, privacy.delta, noise):
        raise fail("ARTIFACT_EPSILON", "rho does not give epsilon at delta.", "privacy")
    if year.rho != year.windows * privacy.rho:
        raise fail("ARTIFACT_EPSILON", "The year's rho is not the sum of its windows'.", "year")
    if not claims.gives_epsilon(year.rho, year.epsilon, privacy.delta, noise) or not claims.is_tight(year.rho, year.epsilon, privacy.delta, noise):
        raise fail("ARTIFACT_EPSILON", "The year's rho does not give its epsilon at delta.", "year")
    if claims.ACCOUNTS[noise] not in privacy.definition:
        raise fail("ARTIFACT_EPSILON", "The definition of privacy is not that of the noise.", "privacy.definition")
    return f"rho gives epsilon at delta, for the window and for a year of windows ({claims.ACCOUNTS[noise]})"


def _check_words(certificate: Certificate) -> str:
    text = " ".join(certificate.meaning)
    for rho in (certificate.privacy.rho, certificate.year.rho):
        if f"right at most {claims.guess_percent(rho, certificate.privacy.noise)} times in 100" not in text:
            raise fail("ARTIFACT_MEANING", "The sentences do not give the bound on a guess that follows from rho.", "meaning")
    if overclaims(text):
        raise fail("ARTIFACT_MEANING", "The sentences say more than was proved.", "meaning")
    return "the sentences give the bounds that follow from rho and no forbidden promise"
