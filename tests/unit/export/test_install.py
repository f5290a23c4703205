"""A head that travels in a fused file arrives as it was trained."""

import pytest

from edge import Engine


@pytest.fixture
def file(taught, fused, tmp_path):
    path = tmp_path / "given.tflite"
    path.write_bytes(fused(taught))
    return path


def test_an_installed_version_is_trained_and_keeps_its_evaluation(taught, file):
    before = taught.model("colours").versions()[0].info
    info = taught.install(file, "others").versions()[0].info
    assert (info.status.value, info.counts, info.trained_at) == ("MODEL_TRAINED", before.counts, before.trained_at)
    assert info.evaluation.accuracy == before.evaluation.accuracy
    assert info.evaluation.notes[-1] == "installed from colours v1"


def test_an_installed_head_is_the_trained_one_to_the_last_bit(taught, file):
    model = taught.install(file, "others")
    assert model.head()[1].to_bytes() == taught.model("colours").head()[1].to_bytes()


def test_a_model_that_is_there_gets_a_new_version_which_is_used(taught, file):
    taught.model("colours").train().wait()
    taught.model("colours").rollback("v1")
    model = taught.install(file)
    assert (model.name, model.head()[0].id) == ("colours", "v3")


def test_a_model_that_is_not_there_is_made_with_its_concepts(file, tmp_path, config):
    with Engine.open(tmp_path / "empty", backbone="fake", config=config) as other:
        model = other.install(file)
        assert (model.name, model.info.concepts, model.info.mutually_exclusive) == ("colours", ("red", "green"), True)
        assert {one.id for one in other.concepts()} == {"red", "green"}
        assert [one for one in other.doctor() if one.level == "problem"] == []


def test_an_installed_model_can_be_trained_further(taught, file):
    model = taught.install(file, "others")
    assert model.train().wait().info.id == "v2"
