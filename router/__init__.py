"""Use cases, one transaction each, and the one delivery worker."""
