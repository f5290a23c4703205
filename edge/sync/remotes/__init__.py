"""Places to synchronise with."""
