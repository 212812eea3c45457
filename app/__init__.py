"""Reads the configuration, builds every object, is the command line."""
