"""Warnings on the quality of a release: published figures against those of earlier releases. Charges nothing."""

from flockwise.quality.daily import Day, Series, series
from flockwise.quality.warnings import Warned, examine

__all__ = ["Day", "Series", "Warned", "examine", "series"]
