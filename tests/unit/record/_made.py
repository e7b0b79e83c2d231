"""Facts made by hand: two releases that share no figure, the first with a publisher, the second with none and with settings that are still to come."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from flockwise import record as fr
from flockwise.config import Publisher

RHO = Fraction(24355970359, 10**12)

PUBLISHER = Publisher(
    organization="Bureau of Examples",
    organization_kind="Government",
    contact="privacy@example.org",
    purpose="Official statistics of present population.",
    intended_use="Planning of bus lines.",
    recipients="The public.",
    legal_basis="GDPR Article 6(1)(a), consent.",
    region="Exampleland; the law of Exampleland applies.",
    sector="Government",
    security="Two officers, encrypted disks, keys in a separate vault.",
    rationale="Chosen on a simulated population; nothing was tried on the pings.",
    publication_date=date(2026, 6, 1),
    url="https://example.org/release",
)

STATEMENTS = fr.Statements(
    neighbours="two data sets of which one has all pings of one device in the window more than the other",
    definition="zero-concentrated differential privacy",
    mechanism="joint bound and independent discrete Gaussian noise",
    domain="Every cell of a public region, every slot.",
    estimates="Estimates and intervals are made of noisy values alone.",
    meaning=("The promise covers one device.", "A guess of membership is bounded."),
    limits=("Another device of the same person is not covered.",),
)


def exposures(rho: Fraction, epsilon: Fraction, windows: int) -> tuple[fr.Exposure, ...]:
    """Made-up epsilons and guesses, each unlike the others; rho as it has to be."""
    cases = [(k, w) for k in (1, 2, 3) for w in (1, windows)]
    return tuple(
        fr.Exposure(devices=k, windows=w, rho=k * k * w * rho, epsilon=epsilon + Fraction(711 * i, 1000), guess_percent=f"{55 + 3 * i}.{i + 1}")
        for i, (k, w) in enumerate(cases)
    )


def facts(publisher: Publisher | None = PUBLISHER) -> fr.Facts:
    epsilon = Fraction(1)
    return fr.Facts(
        study="Example week",
        digest="ab" * 32,
        dataset="example_panel|2026",
        panel_bound=150_000,
        window=fr.Window(first_day=date(2026, 5, 4), days=7, timezone="America/New_York"),
        charge=fr.Charge(
            accounting="zCDP",
            rho=RHO,
            epsilon=epsilon,
            delta=Fraction(1, 10**6),
            lifetime_epsilon=Fraction(4),
            replace_rho=2 * RHO,
            replace_epsilon=Fraction("1.451"),
        ),
        exposures=exposures(RHO, epsilon, 52),
        groups=(
            fr.Group(
                name="shapes",
                rho=RHO * Fraction(9, 10),
                clip="W |q|^2 of all blocks together is at most the bound.",
                blocks=(
                    fr.Measured(
                        kind="presence",
                        level=7,
                        figures=172_872,
                        rows=172_872,
                        unit="devices",
                        sigma=61.23,
                        shown_sigma=61.23,
                        published=1_234,
                        typical_relative_error=0.172,
                    ),
                    fr.Measured(
                        kind="flows",
                        level=6,
                        figures=84_681,
                        rows=42_340,
                        unit="trips",
                        sigma=44.71,
                        shown_sigma=44.71,
                        published=321,
                        threshold=158.8,
                        typical_relative_error=0.291,
                    ),
                ),
            ),
            fr.Group(
                name="norms",
                rho=RHO * Fraction(1, 10),
                clip="Each device is in one bin.",
                blocks=(fr.Measured(kind="norms", figures=24, unit="devices", sigma=14.36),),
            ),
        ),
        tables=(
            fr.Table(kind="presence", levels=(7, 6), slots=168, slot_minutes=60),
            fr.Table(kind="flows", levels=(6,), slots=5),
        ),
        region=(fr.Region(level=6, cells=147), fr.Region(level=7, cells=1_029)),
        input=fr.Input(consent="column", opt_out=True, greatest_accuracy_m=200, greatest_speed_kmh=400, retention_days=90),
        statements=STATEMENTS,
        versions={"flockwise": "0.1.0", "opendp": "0.16.2"},
        publisher=publisher,
    )


def other() -> fr.Facts:
    """Another study: Gaussian DP, one table, weights, suppliers, sensitive places, no publisher."""
    rho, epsilon = Fraction(1, 77), Fraction(3, 4)
    return fr.Facts(
        study="Other days",
        digest="cd" * 32,
        dataset="other",
        panel_bound=43_210,
        window=fr.Window(first_day=date(2031, 8, 23), days=11, timezone="Europe/Paris"),
        charge=fr.Charge(
            accounting="GDP",
            rho=rho,
            epsilon=epsilon,
            delta=Fraction(1, 2_222_222),
            lifetime_epsilon=Fraction("2.75"),
            replace_rho=2 * rho,
            replace_epsilon=Fraction("1.137"),
        ),
        exposures=exposures(rho, epsilon, 33),
        groups=(
            fr.Group(
                name="shapes",
                rho=rho,
                clip="Bounded otherwise.",
                blocks=(fr.Measured(kind="presence", level=4, figures=987_654, rows=987_654, unit="devices", sigma=8.125, shown_sigma=812.5, threshold=28.5),),
            ),
        ),
        tables=(fr.Table(kind="presence", levels=(4,), slots=264, slot_minutes=17),),
        region=(fr.Region(level=4, cells=3_741),),
        input=fr.Input(consent="statement", opt_out=False, greatest_accuracy_m=345, greatest_speed_kmh=678, retention_days=46),
        statements=STATEMENTS,
        versions={"flockwise": "9.8.7"},
        weights="Census of 2030 by region | table 5.",
        suppliers=(fr.Supplier(name="Supplier A", assessed=date(2029, 12, 19)), fr.Supplier(name="Supplier B")),
        sensitive_places=fr.SensitivePlaces(categories=18, fence_m=610, reviewed=date(2030, 10, 27)),
    )
