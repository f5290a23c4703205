"""The hub: a store that many devices' words come together in."""
