"""Signed releases of a hub: what one holds, and how a device comes to believe it."""
