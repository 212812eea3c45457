"""Stands in for providers over their real protocols: training, demonstration and tests."""
