"""What a study's release would be like, from public facts alone: no data, no ledger, no charge."""

from flockwise.forecast.chart import percent, span
from flockwise.forecast.expected import expected
from flockwise.forecast.facts import Expected, Facts
from flockwise.forecast.page import page
from flockwise.forecast.variants import Variant, by_epsilon, others

__all__ = ["Expected", "Facts", "Variant", "by_epsilon", "expected", "others", "page", "percent", "span"]
