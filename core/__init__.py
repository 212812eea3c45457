"""The words of the domain, its errors and its ports; imports nothing of ours and does no I/O."""
