"""Making, signing and publishing releases: the workstation's half of ``edge.sync.releases``."""
