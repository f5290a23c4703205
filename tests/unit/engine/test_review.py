"""What a review says of annotations and pictures, and that it says something sensible of any store."""

import math

import numpy as np
import pytest

from edge.engine.review import review, review_held_out, thumbnails
from edge.types import ConceptEvaluation, Confusion, Evaluation


def taught(engine, blob, *, count=8, colours=("red", "green", "blue"), exclusive=True):
    for colour in colours:
        # noise of its own for each, so strong that no two pictures are nearly the same
        engine.add([spotted(blob, colour, seed) for seed in range(count)], concepts=[colour])
    return engine.create_model("m", list(colours), mutually_exclusive=exclusive)


def spotted(blob, colour, seed):
    """A picture of a colour that the fake can tell, with a black corner somewhere so that no two are alike."""
    pixels = blob(colour, seed)
    rng = np.random.default_rng(seed + sum(map(ord, colour)))
    for _ in range(6):
        y, x = rng.integers(0, 48, 2)
        pixels[y : y + 24, x : x + 24] = rng.integers(0, 255, 3)
    return pixels


def kinds(found):
    return [one.kind for one in found.remarks]


def evaluation(**changes):
    concepts = (ConceptEvaluation("a", 10, 10, 0.9, 0.9, 0.9), ConceptEvaluation("b", 10, 10, 0.9, 0.9, 0.9))
    figures = {"accuracy": 0.9, "accuracy_interval": (0.8, 1.0), "mean_average_precision": 0.9, "known_rate": 0.9}
    rest = {"calibration_error": 0.1, "log_loss": 0.3, "concepts": concepts, **changes}
    return Evaluation(method="held-out", inputs=20, not_evaluable=0, **figures, **rest)


def test_a_wrong_label_is_first_with_its_reason_and_the_pictures_most_like_it(engine, blob):
    model = taught(engine, blob)
    wrong = engine.add([spotted(blob, "red", 100)], concepts=["green"]).inputs[0]
    found = review(engine, model)
    first = found.suspects[0]
    assert (first.input_id, first.concept_id, first.given, first.rival) == (wrong.id, "green", 1, "red")
    assert first.reason.startswith("looks like red (")
    assert first.value < first.rival_value
    reds = {one.id for one in engine.inputs(concept="red")}
    assert first.nearest
    assert set(first.nearest) <= {one.id for one in engine.inputs()} - {wrong.id}
    assert len(reds & set(first.nearest)) >= 2
    assert found.next[0].startswith("look at the")


def test_a_suspect_that_was_confirmed_is_none_until_its_label_changes(engine, blob):
    model = taught(engine, blob)
    wrong = engine.add([spotted(blob, "red", 100)], concepts=["green"]).inputs[0]
    listed = lambda: wrong.id in {one.input_id for one in review(engine, model).suspects}  # noqa: E731
    engine.annotate(wrong.id, concepts=["green"])  # no confirmation: an import may well say the same again
    assert listed()
    count = review(engine, model).suspect_count
    engine.annotate(wrong.id, confirm=True)
    assert not listed()
    assert review(engine, model).suspect_count == count - 1
    engine.annotate(wrong.id, clear=["green"])
    engine.annotate(wrong.id, concepts=["green"])
    assert listed()


def test_the_limit_shortens_the_list_and_not_the_count(engine, blob):
    model = taught(engine, blob)
    for one in engine.inputs(concept="red")[:3]:
        engine.annotate(one.id, concepts=["blue"])
    assert review(engine, model, limit=1).suspect_count == review(engine, model).suspect_count > 1
    assert len(review(engine, model, limit=1).suspects) == 1
    assert review(engine, model, limit=0).suspects == ()


def test_two_concepts_of_an_exclusive_model_given_to_one_picture_are_named(engine, blob):
    model = taught(engine, blob)
    both = engine.inputs(concept="red")[0]
    engine.annotate(both.id, concepts=["blue"])
    first = review(engine, model).suspects[0]
    assert (first.input_id, first.concept_id, first.rival) == (both.id, "blue", "red")
    assert first.reason.startswith("said to show red and blue, of which it can only show one")


def test_an_annotation_of_an_independent_model_is_explained_by_its_own_concept(engine, blob):
    for colour, said in (("red", {"concepts": ["warm"]}), ("blue", {"not_concepts": ["warm"]})):
        engine.add([spotted(blob, colour, seed) for seed in range(12)], **said)
    wrong = engine.add([spotted(blob, "blue", 100)], concepts=["warm"]).inputs[0]
    first = review(engine, engine.create_model("m", ["warm"])).suspects[0]
    assert (first.input_id, first.given, first.rival) == (wrong.id, 1, None)
    assert first.reason.startswith("said to show it, but warm gets ")
    assert "not warm" in first.reason


def test_names_are_what_concepts_are_called_and_ids_stay(engine, blob):
    model = taught(engine, blob)
    engine.add([spotted(blob, "red", 100)], concepts=["green"])
    engine.rename_concept("red", "scarlet")
    first = review(engine, model).suspects[0]
    assert first.rival == "red"
    assert "scarlet" in first.reason


def test_nothing_is_stored(engine, blob):
    model = taught(engine, blob)
    review(engine, model)
    assert model.versions() == []


def test_nearly_the_same_pictures_are_one_remark_and_disagreeing_ones_come_first(engine, blob):
    model = taught(engine, blob)
    engine.add([spotted(blob, "red", 0) // 2 * 2], concepts=["red"])
    engine.add([spotted(blob, "blue", 0) // 2 * 2], concepts=["green"])
    found = [one for one in review(engine, model).remarks if one.kind in ("near-duplicates", "disagreeing")]
    assert [one.kind for one in found] == ["disagreeing", "near-duplicates"]
    assert [len(one.inputs) for one in found] == [2, 2]


def test_few_pictures_and_uneven_ones_are_said_and_what_to_photograph(engine, blob):
    model = taught(engine, blob, count=12, colours=("red", "green"))
    engine.add([spotted(blob, "blue", seed) for seed in range(3)], concepts=["blue"])
    model = engine.create_model("three", ["red", "green", "blue"], mutually_exclusive=True)
    found = review(engine, model)
    few = next(one for one in found.remarks if one.kind == "too-few")
    uneven = next(one for one in found.remarks if one.kind == "imbalance")
    assert few.concepts == ("blue",)
    assert few.message == "blue is shown by 3 pictures; 10 are a good start"
    assert uneven.concepts[1] == "blue"
    assert any(step.startswith("photograph blue at other moments and places") for step in found.next)


def test_pictures_of_one_moment_are_too_few_however_many(engine, blob):
    engine.add([spotted(blob, "red", 0) // 2 * 2 + one % 2 for one in range(2)], concepts=["red"])
    engine.add([spotted(blob, "green", seed) for seed in range(10)], concepts=["green"])
    found = review(engine, engine.create_model("m", ["red", "green"], mutually_exclusive=True))
    assert "red is shown by 2 pictures of 1 moment; 10 are a good start" in [one.message for one in found.remarks]


def test_a_tiny_picture_is_found(engine, blob):
    model = taught(engine, blob)
    small = engine.add([blob("red", 200, (64, 20))], concepts=["red"]).inputs[0]
    (tiny,) = [one for one in review(engine, model).remarks if one.kind == "tiny"]
    assert tiny.inputs == (small.id,)
    assert "32 pixels" in tiny.message


def test_blurred_photographs_are_found_with_the_real_network(real_engine):
    import skimage.data
    from PIL import Image, ImageFilter

    cat = Image.fromarray(skimage.data.chelsea())
    blurred = np.asarray(cat.filter(ImageFilter.GaussianBlur(8)))
    ids = [real_engine.add(one, concepts=["cat"]).inputs[0].id for one in (np.asarray(cat), blurred)]
    model = real_engine.create_model("m", ["cat"])
    seen = []
    found = review(real_engine, model, progress=lambda done, total: seen.append((done, total)))
    (one,) = [one for one in found.remarks if one.kind == "blurred"]
    assert one.inputs == (ids[1],)
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("exclusive", [True, False])
def test_a_model_that_cannot_be_trained_yet_is_told_what_is_missing(engine, blob, count, exclusive):
    if count:
        model = taught(engine, blob, count=count, colours=("red", "green"), exclusive=exclusive)
    else:
        model = engine.create_model("m", ["red", "green"], mutually_exclusive=exclusive)
    found = review(engine, model)
    assert found.suspects == ()
    assert "too-few" in kinds(found)
    assert found.next


def test_identical_pictures_under_two_names_make_no_nonsense(engine, blob):
    for number in range(6):
        noise = np.full((64, 64, 3), number, np.uint8)  # other bytes, the same embedding
        engine.add([blob("red", 0) // 8 * 8 + noise % 2], concepts=["a" if number % 2 else "b"])
    for number in range(4):
        engine.add([spotted(blob, "green", number)], concepts=["a" if number % 2 else "b"])
    found = review(engine, engine.create_model("m", ["a", "b"], mutually_exclusive=True))
    assert all(math.isfinite(one.score) and 0 <= one.value <= 1 for one in found.suspects)


def test_removed_pictures_are_not_reviewed(engine, blob):
    model = taught(engine, blob)
    wrong = engine.add([spotted(blob, "red", 100)], concepts=["green"]).inputs[0]
    engine.remove(wrong.id)
    assert wrong.id not in {one.input_id for one in review(engine, model).suspects}


def test_concepts_that_are_confused_are_a_pair_with_both_directions():
    confusion = Confusion(("a", "b", "c"), ((8, 2, 0), (1, 9, 0), (0, 0, 10)))
    found = review_held_out(evaluation(confusion=confusion), {"a": "apple"})
    (one,) = found.remarks
    assert one.kind == "confused"
    assert one.message == "apple is taken for b 2 of 10 times, b for apple 1 of 10"
    assert found.next[0].startswith("photograph apple and b as alike as they get")
    assert found.suspects is None


def test_an_independent_concept_that_is_missed_or_seen_too_often_is_said():
    concepts = (ConceptEvaluation("a", 10, 10, 1.0, 0.5, 0.9), ConceptEvaluation("b", 10, 10, 0.25, 1.0, 0.9))
    found = review_held_out(evaluation(concepts=concepts), {})
    assert kinds(found) == ["missed", "false-alarms"]
    assert any("--not-concept" in step for step in found.next)


def test_where_nothing_stands_out_there_is_still_advice():
    assert review_held_out(evaluation(), {}).next[0].startswith("nothing stands out")


def test_thumbnails_are_small_upright_jpegs_and_keep_the_shape(engine, blob):
    import io

    from PIL import Image

    one = engine.add([blob("red", 0, (300, 100))], concepts=["red"]).inputs[0]
    record, data = thumbnails(engine, [one.id, one.id])[one.id]
    image = Image.open(io.BytesIO(data))
    assert (record.id, image.format, image.size) == (one.id, "JPEG", (53, 160))


def test_a_picture_whose_bytes_are_gone_has_no_thumbnail_and_stops_nothing(engine, blob):
    one = engine.add([blob("red", 0)], concepts=["red"]).inputs[0]
    engine.store.inputs.blob_path(one.sha256, one.media_type).unlink()
    assert thumbnails(engine, [one.id]) == {}
