"""Frozen INT8 networks, found by name and run by whichever runtime is installed."""
