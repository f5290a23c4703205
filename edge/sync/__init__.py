"""Labelled images home and back: a signed log of changes, and places to exchange it at."""
