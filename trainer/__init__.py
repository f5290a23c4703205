"""The workstation half: export, adopt, train and evaluate on folders."""
