"""The README's example on real photographs, with the real network: disjoint crops of brick, grass and gravel."""

import numpy as np
import pytest
from PIL import Image

import edge
from edge.errors import CannotTrain


@pytest.fixture(scope="module")
def grounds(tmp_path_factory, photographs, config):
    """A store that was taught the three grounds from folders; tests must not change it."""
    with edge.Engine.open(tmp_path_factory.mktemp("grounds") / "store", config=config) as engine:
        engine.add(photographs / "taught", from_folders=True)
        names = ["brick", "grass", "gravel"]
        for name, options in (("each", {}), ("one", {"mutually_exclusive": True})):
            engine.create_model(name, names, **options).train().wait()
        yield engine


@pytest.fixture(scope="module")
def strangers():
    import skimage.data

    return [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket(), skimage.data.coins()]


@pytest.mark.either_runtime
def test_the_first_example_works(tmp_path, photographs, config):
    with edge.Engine.open(tmp_path / "greenhouse", config=config) as engine:
        engine.add(str(photographs / "taught/brick/*.png"), concepts=["ripe"])
        engine.add(str(photographs / "taught/grass/*.png"), not_concepts=["ripe"])
        model = engine.create_model("tomatoes", concepts=["ripe"])
        version = model.train()
        assert version.evaluation.accuracy == 1
        (score,) = model.predict(photographs / "held-out/brick/0.png").concepts
        assert score.id == "ripe"
        assert score.value > 0.7
        model.export(tmp_path / "tomatoes.tflite")
        assert (tmp_path / "tomatoes.tflite").stat().st_size > 4_000_000


@pytest.mark.either_runtime
@pytest.mark.parametrize("name", ["each", "one"])
def test_held_out_pictures_are_recognised(grounds, photographs, name):
    found = grounds.model(name).evaluate(photographs / "held-out")
    assert found.method == "held-out"
    assert found.inputs == 30
    assert found.accuracy >= 0.95
    assert found.mean_average_precision >= 0.95


@pytest.mark.parametrize("name", ["each", "one"])
def test_leave_one_out_promises_what_held_out_pictures_keep(grounds, photographs, name):
    model = grounds.model(name)
    promised, kept = model.evaluate(), model.evaluate(photographs / "held-out")
    assert promised.method == "leave-one-out"
    assert promised.inputs == 30
    assert promised.accuracy_interval[0] <= kept.accuracy + 0.05
    assert abs(promised.accuracy - kept.accuracy) <= 0.1


def test_a_folder_of_strangers_is_told_apart_from_the_taught_ones(grounds, photographs, strangers, saved, tmp_path):
    for number, one in enumerate(strangers):
        saved(f"test/stranger/{number}.png", one)
    saved("test/brick/0.png", np.asarray(Image.open(photographs / "held-out" / "brick" / "0.png")))
    (tmp_path / "test" / "brick" / "broken.png").write_bytes(b"no picture")
    found = grounds.model("one").evaluate(tmp_path / "test")
    assert found.accuracy == 1
    assert f"of {len(strangers)} strangers are told as none of these" in found.notes[0]
    assert found.notes[1].startswith("1 files could not be read")
    assert found.confusion.rows[0] == (1, 0, 0)


@pytest.mark.either_runtime
@pytest.mark.parametrize("name", ["each", "one"])
def test_a_stranger_is_none_of_these(grounds, strangers, name):
    model = grounds.model(name)
    found = [model.predict(picture) for picture in strangers]
    assert not any(one.is_known for one in found)


def test_taught_kinds_are_known(grounds, photographs):
    model = grounds.model("one")
    paths = sorted((photographs / "held-out").rglob("*.png"))
    assert np.mean([model.predict(path).is_known for path in paths]) > 0.7


def test_values_of_an_exclusive_model_add_up_to_one(grounds, photographs):
    found = grounds.model("one").predict(photographs / "held-out/grass/3.png")
    assert sum(score.value for score in found.concepts) == pytest.approx(1)
    assert found.concepts[0].id == "grass"


def test_a_correction_changes_the_answer(real_engine, photographs):
    engine = real_engine
    engine.add(photographs / "taught/brick", concepts=["brick"])
    engine.add(photographs / "taught/gravel", not_concepts=["brick"])
    model = engine.create_model("walls", ["brick"])
    model.train().wait()
    picture = photographs / "held-out/brick/0.png"
    engine.add(picture, not_concepts=["brick"])  # somebody insists
    before = model.predict(picture).concepts[0].value
    model.train().wait()
    assert model.predict(picture).concepts[0].value < before - 0.05


def test_positives_alone_are_enough(real_engine, photographs, strangers):
    real_engine.add(photographs / "taught/brick", concepts=["brick"])
    model = real_engine.create_model("walls", ["brick"])
    version = model.train()
    assert version.evaluation.accuracy is None
    assert version.evaluation.concepts[0].precision is None
    assert version.evaluation.concepts[0].recall > 0.8
    assert version.evaluation.concepts[0].false_alarm_rate < 0.1
    assert version.info.counts == {"brick": (10, 0)}
    taught = model.predict(photographs / "held-out/brick/0.png").concepts[0].value
    assert taught > 0.5 > max(model.predict(one).concepts[0].value for one in strangers)


def test_a_closed_environment_needs_negatives(real_engine, photographs):
    real_engine.add(photographs / "taught/brick", concepts=["brick"])
    model = real_engine.create_model("walls", ["brick"], closed_environment=True)
    with pytest.raises(CannotTrain, match="the environment is closed; add pictures that do not show it"):
        model.train().evaluation  # noqa: B018 reading it is what raises
    real_engine.add(photographs / "taught/gravel", not_concepts=["brick"])
    assert model.train().evaluation.accuracy == 1


def test_a_picture_may_show_several_concepts(real_engine, photographs):
    """Half brick, half grass: both concepts at once, with neither told about the other's absence."""

    def halves(part, number):
        left, right = (Image.open(photographs / part / kind / f"{number}.png") for kind in ("brick", "grass"))
        both = Image.new("RGB", (102, 102))
        both.paste(left.crop((0, 0, 51, 102)), (0, 0))
        both.paste(right.crop((0, 0, 51, 102)), (51, 0))
        return np.asarray(both)

    engine = real_engine
    engine.add([halves("taught", number) for number in range(10)], concepts=["brick", "grass"])
    for kind in ("brick", "grass"):
        engine.add(photographs / "taught" / kind, concepts=[kind])
    engine.add(photographs / "taught/gravel", not_concepts=["brick", "grass"])
    model = engine.create_model("grounds", ["brick", "grass"])
    model.train().wait()
    scores = [{one.id: one.value for one in model.predict(halves("held-out", n)).concepts} for n in range(10)]
    assert np.mean([min(one.values()) > 0.5 for one in scores]) >= 0.7


# --- another backbone --------------------------------------------------------------------------------------------


def test_another_backbone_keeps_every_annotation_and_costs_once(real_engine, photographs):
    engine = real_engine
    engine.add(photographs / "taught", from_folders=True)
    before = [one.annotations for one in engine.inputs()]
    model = engine.create_model("grounds", ["brick", "grass", "gravel"], mutually_exclusive=True)
    model.train().wait()
    steps = []
    assert engine.use_backbone("efficientnet-lite0-160", lambda done, total: steps.append((done, total))) == 30
    assert steps == [(16, 30), (30, 30)]
    assert [one.annotations for one in engine.inputs()] == before
    with pytest.raises(edge.errors.BackboneChanged, match="run: edge train grounds"):
        model.predict(photographs / "held-out/grass/0.png")
    assert model.train().evaluation.accuracy >= 0.9
    assert model.predict(photographs / "held-out/grass/0.png").concepts[0].id == "grass"
    assert engine.use_backbone("efficientnet-lite0-160") == 0
    assert engine.use_backbone("efficientnet-lite0-224") == 0
    assert model.predict(photographs / "held-out/grass/0.png", version="v1").concepts[0].id == "grass"


def test_an_interrupted_change_of_backbone_goes_on_where_it_stopped(engine, blob):
    engine.add([blob("red", seed) for seed in range(40)], concepts=["red"])

    class PulledPlugError(Exception):
        pass

    def pull(done, _total):
        if done >= 16:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        engine.use_backbone("efficientnet-lite0-160", pull)
    assert engine.backbone_name == "fake"
    engine.add(blob("green"), not_concepts=["red"])
    model = engine.create_model("reds", ["red"])
    model.train().wait()
    assert model.predict(blob("red", 99)).concepts[0].value > 0.5
    assert engine.use_backbone("efficientnet-lite0-160") == 41 - 16
    assert engine.backbone_name == "efficientnet-lite0-160"


def test_a_backbone_that_does_not_exist_changes_nothing(engine, blob):
    engine.add(blob("red"))
    with pytest.raises(edge.errors.NotFound):
        engine.use_backbone("nothing")
    assert engine.backbone_name == "fake"


def test_removed_pictures_come_back_under_the_new_backbone(engine, blob):
    (one,) = engine.add(blob("red"), concepts=["red"]).inputs
    engine.add(blob("green"), not_concepts=["red"])
    engine.remove(one.id)
    engine.use_backbone("efficientnet-lite0-160")
    engine.restore(one.id)
    model = engine.create_model("reds", ["red"])
    assert model.train().wait().info.counts == {"red": (1, 1)}
