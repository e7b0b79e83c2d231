"""What `init` writes beside a study: a supplier's record with every question open. And the record of the supplier that `simulate` makes up."""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["supplier_draft", "supplier_of_simulation"]


def supplier_draft() -> str:
    """A record with every question open: a delivery is quarantined until each is answered."""
    return _DRAFT


def supplier_of_simulation(start: date, today: date) -> str:
    """The record of a made-up supplier, assessed today.

    Args:
        start: first day of the simulated window; its people consented at most 401 days before.
        today: day of the assessment.
    """
    return _SIMULATED.format(shown_from=start - timedelta(days=500), today=today, ends=today + timedelta(days=365))


_DRAFT = """\
# The record of a supplier: who delivers the pings, how they were collected, and to what people agreed.
# Answer every question, with evidence; docs/how-to/take-on-a-supplier.md says how. What nobody knows is no answer: deliveries wait in quarantine until then.
# Check it with: flockwise supplier check THIS_FILE
name = "to be completed"
address = "to be completed"
contact = "to be completed"  # who answers questions about the pings
collected = "to be completed"  # app-sdk, own-app, survey-app, operator-network, vehicle-fleet, public-wifi
services = ["to be completed"]  # the apps or services that people used when their pings were collected
ad_auctions = "to be completed"  # do any of the data come from ad auctions (bid stream)? yes or no; yes is refused
minors = "to be completed"  # are any of the data about people under age? yes or no; yes is refused
retention_days = "to be completed"  # how long pings may be kept, in days after a study's window

[[consent]]  # one for each text that was shown; earlier texts stay in the record
version = "to be completed"  # its name, as a consent_text column gives it
text = "to be completed"  # word for word, as it was shown
shown_from = "to be completed"  # first day (UTC), such as 2026-01-31 without quotes; a consent from before is none
# shown_until = 2026-12-31  # last day; leave it out while the text is still shown
purposes = ["to be completed"]  # which purposes of docs/reference/study.md the text covers

[withdrawal]
possible = "to be completed"  # can consent be withdrawn? yes or no; no is refused
how = "to be completed"  # what a person does, and how the supplier passes it on

[assessment]  # holds for one year
on = "to be completed"
assessor = "to be completed"
evidence = ["to be completed"]  # what was seen: at least one

[contract]
reference = "to be completed"
ends = "to be completed"
"""

_SIMULATED = """\
# The record of a supplier that does not exist: flockwise simulate made it up, as it did the pings beside it.
name = "Practice Pings (made up)"
address = "1 Nowhere Street, Simulated City"
contact = "nobody@practice.example"
collected = "simulation"
services = ["a simulated weather app"]
ad_auctions = "no"
minors = "no"
retention_days = 365

[[consent]]
version = "1"
text = \"\"\"
May we use the places where your phone has been to count how many people are where and when? Only statistics about many people are made of them,
never anything about you. You can change your mind at any time in the settings, and what was collected is deleted.\"\"\"
shown_from = {shown_from}
purposes = ["official-statistics", "transport-planning", "urban-planning", "academic-research"]

[withdrawal]
possible = "yes"
how = "In the settings of the app. The next delivery carries it."

[assessment]
on = {today}
assessor = "flockwise simulate"
evidence = ["the source code of the simulator: docs/explanation/simulator.md"]

[contract]
reference = "none needed: nobody is real"
ends = {ends}
"""
