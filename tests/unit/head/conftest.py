"""Real embeddings, without running a network."""

import pytest

from edge.backbone import catalogue
from edge.config import DEFAULT_BACKBONE


@pytest.fixture(scope="session")
def background_embeddings(config):
    """(355, 1280) int8: the embeddings of everyday scenes that come with the default backbone."""
    folder, card = catalogue.find_card(DEFAULT_BACKBONE, config)
    return catalogue.background(folder, card)
