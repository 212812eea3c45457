"""Measurements, printed as ratios with their goals: `make bench`. No test depends on them."""
