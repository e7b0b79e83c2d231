"""A record that was made whole anew, checksums and all, but says something else than the certificate, is found."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from flockwise import artifact as fa
from flockwise import record
from flockwise.errors import ArtifactError

_spec = importlib.util.spec_from_file_location("_made", Path(__file__).parent / "_made.py")
made: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]  # the file is there
_spec.loader.exec_module(made)  # type: ignore[union-attr]  # the same


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = made.tables()
    certificate = made.certificate(tables["presence"], tables["flows"])
    fa.write(tmp_path / "r", tables, certificate, made.texts(certificate))
    return tmp_path / "r"


def forge(folder: Path, change: Callable[[record.Facts], record.Facts]) -> None:
    facts = record.check({name: (folder / name).read_text() for name in record.FILES})
    # Through JSON, so that facts that do not fit together are refused here and not mistaken for a catch.
    for name, text in record.texts(record.Facts.model_validate_json(change(facts).model_dump_json())).items():
        (folder / name).write_text(text)
    repair(folder)


def repair(folder: Path) -> None:
    digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()  # noqa: E731 - used twice
    certificate = fa.read(folder).certificate
    files = {p.name: digest(p) for p in sorted(folder.iterdir()) if p.name not in ("certificate.json", "SHA256SUMS")}
    (folder / "certificate.json").write_text(certificate.model_copy(update={"files": files}).to_json())
    (folder / "SHA256SUMS").write_text("".join(f"{digest(p)}  {p.name}\n" for p in sorted(folder.iterdir()) if p.name != "SHA256SUMS"))


def quieter(f: record.Facts) -> record.Facts:
    """The whole record for a tenth of rho, as consistent as the true one."""
    return f.model_copy(
        update={
            "charge": f.charge.model_copy(update={"rho": f.charge.rho / 10, "replace_rho": f.charge.replace_rho / 10}),
            "groups": tuple(g.model_copy(update={"rho": g.rho / 10}) for g in f.groups),
            "exposures": tuple(e.model_copy(update={"rho": e.rho / 10}) for e in f.exposures),
        }
    )


def exposure(f: record.Facts, **parts: Any) -> record.Facts:
    return f.model_copy(update={"exposures": (*f.exposures[:-1], f.exposures[-1].model_copy(update=parts))})


def block(f: record.Facts, **parts: Any) -> record.Facts:
    first, *rest = f.groups
    return f.model_copy(update={"groups": (first.model_copy(update={"blocks": (first.blocks[0].model_copy(update=parts), *first.blocks[1:])}), *rest)})


FORGERIES: dict[str, Callable[[record.Facts], record.Facts]] = {
    "a smaller charge": quieter,
    "a smaller epsilon for three devices over a year": lambda f: exposure(f, epsilon=Fraction(2)),
    "a harder guess": lambda f: exposure(f, guess_percent="51.0"),
    "a softer guess": lambda f: exposure(f, guess_percent="99.9"),
    "more noise": lambda f: block(f, sigma=f.groups[0].blocks[0].sigma * 2),
    "more figures": lambda f: block(f, published=0),
    "a larger panel": lambda f: f.model_copy(update={"panel_bound": f.panel_bound + 1}),
    "another day": lambda f: f.model_copy(update={"window": f.window.model_copy(update={"first_day": f.window.first_day + timedelta(1)})}),
    "another study": lambda f: f.model_copy(update={"study": "Other"}),
    "another account": lambda f: f.model_copy(update={"charge": f.charge.model_copy(update={"accounting": "GDP"})}),
    "a smaller replacement": lambda f: f.model_copy(update={"charge": f.charge.model_copy(update={"replace_epsilon": f.charge.epsilon})}),
    "no limits": lambda f: f.model_copy(update={"statements": f.statements.model_copy(update={"limits": ("None.",)})}),
    "other software": lambda f: f.model_copy(update={"versions": {"flockwise": "1"}}),
    "another purpose": lambda f: f.model_copy(update={"purpose": "public-health"}),
    "a supplier that the certificate does not name": lambda f: f.model_copy(update={"suppliers": (record.Supplier(name="Other"),)}),
    "a list of sensitive places that the certificate does not name": lambda f: f.model_copy(
        update={"sensitive_places": record.SensitivePlaces(categories=3, fence_m=610, reviewed=date(2026, 1, 1))}
    ),
    "a shorter retention": lambda f: f.model_copy(update={"input": f.input.model_copy(update={"retention_days": 6})}),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_record_that_says_something_else_is_found(folder: Path, change: Callable[[record.Facts], record.Facts]) -> None:
    forge(folder, change)
    with pytest.raises(ArtifactError) as caught:
        fa.verify(folder)
    assert caught.value.code == "ARTIFACT_RECORD"


def test_an_unchanged_record_passes_after_the_same_repair(folder: Path) -> None:
    forge(folder, lambda f: f)
    assert fa.verify(folder)[-1].startswith("the record's entry")


def test_an_edited_draft_is_found_even_with_repaired_checksums(folder: Path) -> None:
    path = folder / record.ASSESSMENT
    path.write_text(path.read_text().replace("[to be completed: name, function, date]", "Somebody"))
    repair(folder)
    with pytest.raises(ArtifactError) as caught:
        fa.verify(folder)
    assert caught.value.code == "RECORD_TEXT"
