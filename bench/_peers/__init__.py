"""Runs other tools (and Flockwise) in processes and environments of their own, and measures them."""
