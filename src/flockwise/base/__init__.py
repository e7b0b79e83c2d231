"""Column contracts, time windows and the H3 bit algebra: words that every other room uses."""
