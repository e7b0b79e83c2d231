"""README.txt of a published folder: what it is, what it promises, how to check it. Made from the certificate alone."""

from __future__ import annotations

import textwrap
from decimal import Decimal
from fractions import Fraction

from flockwise.artifact.certificate import Certificate, PlacesRef, SupplierRef

__all__ = ["readme"]

_FILES = {
    "certificate.json": "who is protected, how strongly, and what it means",
    "presence.parquet": "present population by H3 cell and time slot (GeoParquet)",
    "typical_day.parquet": "the same for the mean day of the window, by slot of the local day (GeoParquet)",
    "flows.parquet": "trips between H3 cells by slot of the day (GeoParquet)",
    "margins.parquet": "trips that leave and reach each H3 cell by slot of the day (GeoParquet)",
    "zones.parquet": "the H3 cells of the region (GeoParquet)",
    "registry.json": "an entry for the OpenDP registry of deployments, and the facts of the record",
    "nist-800-226.md": "what NIST SP 800-226 asks, answered for this release",
    "impact-assessment.md": "draft of a data-protection impact assessment",
    "SHA256SUMS": "checksums: sha256sum -c SHA256SUMS",
}


def readme(certificate: Certificate) -> str:
    """The text of README.txt for a certificate."""
    c = certificate
    tables = ("presence.parquet", "typical_day.parquet", "flows.parquet", "margins.parquet")
    shown = [name for name in _FILES if name not in tables or name.removesuffix(".parquet") in c.kinds()]
    parts = [
        f"{c.study.name}\n{'=' * len(c.study.name)}",
        _wrap(
            f"Private statistics of the data set {c.dataset}, from {c.window.first_day} for {c.window.days} days ({c.window.timezone} time), made "
            "with Flockwise. The figures are sums over a panel of devices, with noise added before anything was written here."
        ),
        "Files\n" + "\n".join(f"  {name:<20} {_FILES[name]}" for name in shown),
        _wrap(
            f"The promise: epsilon {_exact(c.privacy.epsilon)} at delta {_exact(c.privacy.delta)} (rho {_exact(c.privacy.rho)}) for one {c.unit} "
            f"over the whole window. Definition: {c.privacy.definition}."
        ),
        "\n".join(_item(text) for text in c.meaning),
        "What is not promised\n" + "\n".join(_item(text) for text in c.limits),
        _wrap(
            'Reading the tables: "devices" and "trips" are estimates, "lower" and "upper" their 90 % intervals. A figure that is too uncertain to print is '
            'null and its status is "withheld"; flows that are not listed may be small or nothing. "unbiased" is the noisy value itself and may be '
            "negative. The columns in full: the documentation of Flockwise; the bounds and the domain: certificate.json."
        ),
        _wrap(
            "What intervals cover: those of presence the devices that were seen, those of the typical day their mean over the window's days; those of flows "
            "and margins the trips that were counted within the bound on one device, scaled up by the ratio of noisy totals. Trips above the bound and the "
            "cap, and people without a device, are in no interval. About nine in ten of those that are printed hold what they cover, on average and not for "
            "each."
        ),
        *([] if c.supplier is None else [_wrap(_supplier(c.supplier, c.purpose))]),
        *([] if c.places is None else [_wrap(_places(c.places))]),
        "Check this folder with: flockwise verify FOLDER",
    ]
    return "\n\n".join(parts) + "\n"


def _supplier(supplier: SupplierRef, purpose: str | None) -> str:
    used = f"Used for {purpose.replace('-', ' ')}. " if purpose else ""
    return f"{used}Pings came from {supplier.name}, last assessed on {supplier.assessed}, kept for at most {supplier.retention_days} days after the window."


def _places(places: PlacesRef) -> str:
    gatherings = f", and near {places.gatherings:,} gatherings at their times" if places.gatherings else ""
    return (
        f"Sensitive places: no ping within {places.least_buffer_m} m of {places.places:,} places of a public list{gatherings} was stored. "
        f"About {100 * places.area_cut:.1f} % of the region's area is cut; area_cut in zones.parquet says it for each cell, and figures there stand for the "
        f"rest of the cell. The list was last reviewed on {places.reviewed}."
    )


def _exact(value: Fraction) -> str:
    """The value as a decimal if it has one of at most 18 places, else as a fraction."""
    scaled = value * 10**18
    if scaled.denominator != 1:
        return str(value)
    return f"{Decimal(scaled.numerator).scaleb(-18):f}".rstrip("0").rstrip(".")


def _wrap(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
