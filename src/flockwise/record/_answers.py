"""The answers that the registry asks for, in words, each a function of the facts. The two pages of Markdown use them as well."""

from __future__ import annotations

from flockwise.record._text import bullets, chance, count, exact, exposures, flow, grid, name, noise, said, slots, up, what
from flockwise.record.facts import Facts

__all__ = [
    "ACCESS",
    "CENTRAL",
    "LATE_DATA",
    "TRUST",
    "actors",
    "charge_table",
    "composition",
    "data_domain",
    "description",
    "justification",
    "mechanisms",
    "more",
    "parameters",
    "preprocessing",
    "region",
    "releases",
    "several",
    "unit",
    "unit_details",
    "unprotected",
    "utility",
]

CENTRAL = flow(
    """One keeper holds the pings, pseudonymised, bounds what each device contributes, adds the noise, and publishes. The promise is about what is published,
    not about what the keeper can see."""
)
TRUST = flow(
    """The keeper is trusted to guard the pings and the keys, and to run the software unchanged. Suppliers are trusted to deliver pings with the consent that
    they state. Whoever reads the release is not trusted at all: the promise holds whatever else a reader knows, all other devices' pings included, and
    however many readers put together what they know."""
)
LATE_DATA = flow(
    """The window is closed. Pings that come later, or that are withdrawn, make another data set: a release from it is a new plan and a new charge. The same
    plan on unchanged data gives back the same bytes and is not charged again."""
)
ACCESS = flow(
    """Nobody can query the pings. There is one published folder, the same for everyone; no function, command or file returns anything about one device.
    A reader's own computations on the folder are post-processing and cost nothing."""
)
_TABLES = {
    "presence": "present population (how many devices are in a cell in a slot)",
    "flows": "origin-destination flows (how many trips go from cell to cell, leave and reach each cell)",
}


def description(facts: Facts) -> str:
    """What is published, in three sentences."""
    tables = "; ".join(f"{_TABLES[t.kind]} at H3 resolution {', '.join(map(str, t.levels))}, {slots(t)}" for t in facts.tables)
    weighted = "not weighted to the population" if facts.weights is None else f"weighted to the population (source of the weights: {name(facts.weights)})"
    return flow(
        f"""Statistics of where the devices of a panel are and where they go, over {days(facts)}: {tables}. Every figure has noise added before it was
        written, and a 90 % interval. The figures are of the panel {name(facts.dataset)}, {weighted}."""
    )


def days(facts: Facts) -> str:
    """The window in words."""
    w = facts.window
    return f"{w.days} local day{'s' if w.days > 1 else ''} from {w.first_day} ({w.timezone} time)"


def region(facts: Facts) -> str:
    """The region: its name by the publisher, its public size."""
    sizes = ", ".join(f"{count(r.cells)} cell{'s' if r.cells > 1 else ''} at resolution {r.level}" for r in facts.region)
    return f"{said(facts, 'region')}. H3 grid: {sizes}."


def data_domain(facts: Facts) -> str:
    """Which data sets the promise is about."""
    return flow(
        f"""All sets of pings (device, time, position and, if known, accuracy) of any number of devices, in a public region and in the window of {days(facts)}.
        {facts.statements.domain} Delta is chosen for a panel of at most {count(facts.panel_bound)} devices, a public bound that is never compared with the
        data."""
    )


def unprotected(facts: Facts) -> str:
    """What is published without protection."""
    return flow(
        f"""No figure is computed from the pings and published without noise. Public by declaration: the study's settings, the region, the window, the slots,
        the bound of {count(facts.panel_bound)} devices, and the names in this record. The certificate prints a digest of the input under a secret key: without
        the key nobody can test a guess of the data against it. Counts of refused rows stay with the data steward. The time that a release takes is neither
        protected nor published."""
    )


def unit(facts: Facts) -> str:
    """Who is protected, in one line."""
    return f"One {facts.unit} over the whole window: all of its pings in {days(facts)}"


def several(facts: Facts) -> str:
    """What the promise is for a person with several devices, in this window."""
    cases = "; ".join(f"{e.devices} devices: rho {exact(e.rho)}, epsilon {up(e.epsilon)}" for e in facts.exposures if e.windows == 1 and e.devices > 1)
    return f"A person with k devices is covered less, by k x k times rho ({cases})."


def unit_details(facts: Facts) -> str:
    """Neighbours, and what the promise is for replacing a device and for several devices."""
    c = facts.charge
    return flow(
        f"""Neighbours are {facts.statements.neighbours}. The distance of two data sets is the number of devices whose pings differ; the promise is for
        distance one. Replacing one device's pings by another's costs rho {exact(c.replace_rho)}: epsilon {up(c.replace_epsilon)} at delta {exact(c.delta)}.
        {several(facts)} Not per trip and not per day: such promises are far weaker. The number of devices given in this entry is a public upper bound, since
        the true number is not published."""
    )


def charge_table(facts: Facts) -> str:
    """The parts of the charge and the noise of every block, as a Markdown table."""
    rows = [(g.name, exact(g.rho), what(b), count(b.figures), f"{noise(b.sigma)} {b.unit}") for g in facts.groups for b in g.blocks]
    return grid(("part", "its rho", "figures of", "how many", "noise (standard deviation)"), rows)


def parameters(facts: Facts) -> str:
    """The figures, exact, and what they mean."""
    c = facts.charge
    how = {
        "GDP": """Gaussian differential privacy: no test of whether a device was in the data does better than a test that tells a standard normal from one
        moved by mu, with mu^2 = 2 rho.""",
        "zCDP": """Zero-concentrated differential privacy: the Renyi divergence of order alpha between neighbours is at most alpha x rho, for every alpha
        above one.""",
    }
    first = flow(
        f"""Charged: rho {exact(c.rho)}, exact. {how[c.accounting]} Derived: epsilon {exact(c.epsilon)} at delta {exact(c.delta)} ({chance(c.delta)}).
        Definition: {facts.statements.definition}."""
    )
    return f"{first}\n\n{exposures(facts)}\n\n{bullets(facts.statements.meaning)}"


def actors(facts: Facts) -> str:
    """Who takes part."""
    suppliers = ", ".join(name(s.name) for s in facts.suppliers) or f"those of the data set {name(facts.dataset)}"
    return bullets(
        (
            "The people whose devices send pings.",
            f"Suppliers, who deliver pings: {suppliers}.",
            f"The keeper, who holds the pings and publishes: {said(facts, 'organization')}.",
            f"Recipients of the release: {said(facts, 'recipients')}.",
            "Adversaries: anyone who has the release, with any other knowledge.",
        )
    )


def releases(facts: Facts) -> str:
    """What happens to further releases about the same people."""
    c, over = facts.charge, facts.exposure(1, facts.year)
    return flow(
        f"""This is one release of one window. Every further release about the same people is charged to the same ledger, which can't be reset and refuses
        what would take the sum above epsilon {exact(c.lifetime_epsilon)} at delta {exact(c.delta)}. No passing of time renews the budget. A device that is in
        all {facts.year} windows of a year, each released like this one, has been exposed to rho {exact(over.rho)}, epsilon {up(over.epsilon)}."""
    )


def preprocessing(facts: Facts) -> str:
    """What is done before noise is added, and how settings were chosen."""
    i = facts.input
    consent = "if consent is missing or came later" if i.consent == "column" else "if it can't be read (the supplier states consent for every row)"
    opted = ", if its owner opted out of tracking" if i.opt_out else ""
    private = any(g.name == "norms" for g in facts.groups)
    clip = "The contribution bound of flows is chosen by a noisy histogram that is part of the charge." if private else ""
    return flow(
        f"""Row by row, a ping is refused {consent}{opted}, if it is outside window or region, or if it reports an accuracy worse than
        {i.greatest_accuracy_m} m. Device by device, pings are put in order, those that would need more than {i.greatest_speed_kmh} km/h are dropped, and stays,
        trips and the cell of each slot are found. A device's contribution is a function of its own rows and of public tables, is bounded in whole numbers, and
        only then added to others'. Nothing is learnt from the data without being charged, and the software tunes no setting on them. {clip} What the publisher
        looked at before choosing the settings: {said(facts, "rationale")}."""
    )


def mechanisms(facts: Facts) -> str:
    """Mechanism, library, floating point, platform, security, versions."""
    versions = ", ".join(f"{k} {v}" for k, v in sorted(facts.versions.items()))
    points = (
        f"Mechanism: {facts.statements.mechanism}.",
        "Timing: there is nothing to query; the time of a run is not published.",
        """Floating point: contributions, sums, bounds and charges are whole numbers and fractions; no float decides what a device may contribute.""",
        """Platform: noisy output is written durably before anything can be read, so that a crash draws nothing twice; no error depends on one device's
        rows.""",
        f"""Security of the pings: identifiers are replaced by a keyed hash before anything is stored. By the publisher: {said(facts, "security")}.""",
        f"Versions: {versions}.",
    )
    bounds = (f"Bound of {g.name}: {g.clip}" for g in facts.groups)
    return f"{bullets(flow(p) for p in (*points, *bounds))}\n\n{charge_table(facts)}"


def composition(facts: Facts) -> str:
    """How charges add up."""
    c = facts.charge
    parts = ", ".join(f"{g.name} {exact(g.rho)}" for g in facts.groups)
    return flow(
        f"""The release is one charge of rho {exact(c.rho)}, the sum of its parts ({parts}), in exact fractions; within a part one bound covers all blocks
        together. Neither blocks nor windows are charged as if they held different people: rho adds up. The charge is written to a durable ledger before any
        noise is drawn. All releases of the data set together stay at or below epsilon {exact(c.lifetime_epsilon)} at delta {exact(c.delta)}."""
    )


def justification(facts: Facts) -> str:
    """Why it was done so."""
    return flow(
        f"""By the publisher: {said(facts, "rationale")}. By the software: the unit is a device over the whole window because a promise per trip or per day does
        not protect the pattern of a life; the whole public domain gets noise because a list of places that depends on the data would reveal who was where; one
        bound over many tables needs less noise than a worst case for each. Each mechanism has a note with its proof, the conditions under which it fails,
        a test and an attack, in docs/claims of the source. An attack that fails is no proof."""
    )


def utility(facts: Facts) -> str:
    """How exact the figures are."""
    first = flow(
        """Every published figure has a 90 % interval. What is too unsure is withheld: null with a status, never zero; that is decided from noisy values alone.
        Small places and small groups get larger relative errors than large ones."""
    )
    rows = [
        (
            what(b),
            "-" if b.rows is None else count(b.rows),
            "-" if b.published is None else count(b.published),
            "-" if b.shown_sigma is None else f"{noise(b.shown_sigma)} {'weighted ' if facts.weights else ''}{b.unit}",
            "-" if b.threshold is None else noise(b.threshold),
            "-" if b.typical_relative_error is None else f"{100 * b.typical_relative_error:.0f} %",
        )
        for b in facts.measured
    ]
    head = ("figures of", "rows possible", "published", "noise (standard deviation)", "withheld below", "typical relative error")
    return f"{first}\n\n{grid(head, rows)}"


def more(facts: Facts) -> str:
    """Where more is to be found, and what is not promised."""
    return bullets(
        (
            f"certificate.json has every figure needed to check the charge; the plan's digest is {facts.digest}. `flockwise verify FOLDER` recomputes them.",
            "nist-800-226.md answers the questions of NIST SP 800-226; impact-assessment.md is a draft of a data-protection impact assessment.",
            f"Questions, objections and requests for deletion: {said(facts, 'contact')}.",
            f"Pings are deleted {facts.input.retention_days} days after the window's end. The release stays.",
            *facts.statements.limits,
        )
    )
