"""Sensitive places: which are cut, from where, how far, and until when the list holds. Public facts only."""
