"""The head as operators: floats and integers, for every transform, against the formula in numpy."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from edge.engine.exporting import run
from edge.export.extend import Extension
from edge.export.fuse import head_alone
from edge.export.graph import describe
from edge.export.tail import float_tail, integer_tail
from edge.head.transform import transform
from edge.types import BackboneCard, EmbeddingPart, EmbeddingSpec, LinearTail, Preprocessing, Quantisation
from trainer.edgetpu import complaints

pytestmark = pytest.mark.either_runtime
SIZE = 256
TRANSFORMS = ("sqrt", "signed-sqrt", "l2")
ACTIVATIONS = ("softmax", "logistic")


def card(kind="sqrt", zero_point=-128):
    return BackboneCard(
        name="some",
        sha256="0" * 64,
        source="",
        licence="",
        preprocessing=Preprocessing(32, 32),
        input=Quantisation("int8", 1 / 128, -1),
        embedding=EmbeddingSpec.single(SIZE, zero_point, 0.02, kind),
    )


def embeddings(count=60, zero_point=-128, seed=0):
    """Like a network's after a rectifier: most numbers small; around the zero point when that is not the lowest."""
    rng = np.random.default_rng(seed)
    steps = rng.exponential(12, (count, SIZE)) * (1 if zero_point == -128 else rng.choice([-1, 1], (count, SIZE)))
    return (np.rint(steps) + zero_point).clip(-128, 127).astype(np.int8)


def head(activation="softmax", concepts=4, seed=1):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 4, (concepts, SIZE)).astype(np.float32)
    return LinearTail(
        tuple(f"c{i}" for i in range(concepts)), weights, rng.normal(0, 0.5, concepts).astype(np.float32), activation
    )


def expected(rows, spec, tail):
    logits = transform(rows, spec) @ tail.weights.T.astype(np.float64) + tail.bias
    if tail.activation == "logistic":
        return 1 / (1 + np.exp(-logits))
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("zero_point", [-128, 0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_float_head_is_the_formula(kind, activation, zero_point, config):
    rows, tail, facts = embeddings(zero_point=zero_point), head(activation), card(kind, zero_point)
    values = run(head_alone(facts, tail), rows, config)
    assert np.abs(values - expected(rows, facts.embedding, tail)).max() < 1e-5


@pytest.mark.parametrize("zero_point", [-128, 0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", TRANSFORMS)
def test_an_integer_head_is_close_to_the_formula(kind, activation, zero_point, config):
    rows, tail, facts = embeddings(zero_point=zero_point), head(activation), card(kind, zero_point)
    values = run(head_alone(facts, tail, rows), rows, config)
    assert np.abs(values - expected(rows, facts.embedding, tail)).max() < 0.08


IN_PARTS = EmbeddingSpec(
    (EmbeddingPart(SIZE // 2, -128, 0.02), EmbeddingPart(SIZE // 4, 3, 0.05, "l2", 0.5),
     EmbeddingPart(SIZE - SIZE // 2 - SIZE // 4, 0, 0.1, "signed-sqrt", 0.7))
)  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("integer", "tolerance"), [(False, 1e-5), (True, 0.08)])
def test_a_head_over_several_outputs_adds_up_their_shares(integer, tolerance, activation, config):
    rows, tail, facts = embeddings(), head(activation), replace(card(), embedding=IN_PARTS)
    values = run(head_alone(facts, tail, rows if integer else None), rows, config)
    assert np.abs(values - expected(rows, IN_PARTS, tail)).max() < tolerance


@pytest.mark.parametrize("zero_point", [-128, 0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", TRANSFORMS)
def test_an_integer_head_has_only_operators_an_edge_tpu_runs(kind, activation, zero_point):
    facts = describe(head_alone(card(kind, zero_point), head(activation), embeddings(zero_point=zero_point)))
    assert complaints(facts) == []


def test_parts_of_an_embedding_are_added_up_in_one_operator_that_an_edge_tpu_runs():
    """An 8-bit sum for each part would be rounded each time, which changes the answer of close calls."""
    facts = describe(head_alone(replace(card(), embedding=IN_PARTS), head(), embeddings()))
    assert complaints(facts) == []
    assert "CONCATENATION" in {name for name, _ in facts.ops}


@pytest.mark.parametrize("integer", [False, True])
def test_a_uint8_embedding_gives_the_same_values(integer, config):
    rows, tail, spec = embeddings(), head(), card().embedding
    graph = Extension()
    graph.inputs = (graph.tensor("x", (1, SIZE), "UINT8", scale=spec.parts[0].scale, zero_point=0),)
    if integer:
        out = integer_tail(graph, graph.inputs, spec, tail, rows)
    else:
        out = float_tail(graph, graph.inputs, spec, tail)
    values = run(graph.finish(out, "x"), rows.view(np.uint8) ^ np.uint8(128), config)
    same = run(head_alone(card(), tail, rows if integer else None), rows, config)
    assert np.abs(values - same).max() < 1e-6


@pytest.mark.parametrize("integer", [False, True])
def test_an_embedding_of_zeros_has_values_that_are_numbers(integer, config):
    rows = embeddings()
    zeros = np.full((1, SIZE), -128, dtype=np.int8)
    values = run(head_alone(card(), head(), rows if integer else None), zeros, config)
    assert np.isfinite(values).all()
    assert abs(values.sum() - 1) < 0.02


def test_a_single_concept_has_one_value(config):
    rows, tail = embeddings(), head("logistic", concepts=1)
    assert run(head_alone(card(), tail), rows[:2], config).shape == (2, 1)
    assert run(head_alone(card(), tail, rows), rows[:2], config).shape == (2, 1)


def test_ranges_from_a_single_picture_are_enough(config):
    rows, tail = embeddings(), head()
    values = run(head_alone(card(), tail, rows[:1]), rows[:1], config)
    assert np.abs(values - expected(rows[:1], card().embedding, tail)).max() < 0.08


def test_ranges_from_pictures_without_any_activation_still_run(config):
    zeros = np.full((3, SIZE), -128, dtype=np.int8)
    assert np.isfinite(run(head_alone(card(), head(), zeros), zeros, config)).all()


def test_adding_the_same_to_every_logit_does_not_coarsen_an_integer_head(config):
    rows, tail = embeddings(), head()
    far = dataclasses.replace(tail, weights=tail.weights + np.float32(30), bias=tail.bias)
    values = run(head_alone(card(), far, rows), rows, config)
    assert np.abs(values - expected(rows, card().embedding, tail)).max() < 0.08
