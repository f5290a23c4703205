"""Predictions, searches and metrics over the core."""

import pytest


def code(answer):
    return answer.body["status"]["code"]


@pytest.fixture
def three(call, core, item):
    """A model "t" of three concepts, one of them renamed, with its version v1."""
    colours = ("red", "green", "blue")
    for colour in colours:
        said = {other: int(other == colour) for other in colours}
        call("PostInputs", inputs=[item(colour, seed, said, id=f"{colour}{seed}") for seed in range(4)])
    call("PatchConcepts", concepts=[{"id": "blue", "name": "azure"}])
    concepts = [{"id": one} for one in colours]
    call("PostModels", model={"id": "t", "output_info": {"data": {"concepts": concepts}}})
    call("PostModelVersions", model_id="t")
    core.engine.model("t").versions()[0].wait(60)


def config(where="model", **values):
    info = {"output_info": {"output_config": values}}
    return {"model": info if where == "model" else {"model_version": info}}


@pytest.mark.usefixtures("three")
def test_outputs_name_the_version_and_the_highest_concept_first(call, item):
    answer = call("PostModelOutputs", model_id="t", inputs=[item("red", 9, id="mine"), item("blue", 9)])
    first, second = answer.body["outputs"]
    assert code(answer) == 10000
    assert (first["input"]["id"], len(second["input"]["id"])) == ("mine", 32)
    assert first["model"]["model_version"]["id"] == "v1"
    values = [one["value"] for one in first["data"]["concepts"]]
    assert values == sorted(values, reverse=True)
    assert (first["data"]["concepts"][0]["id"], second["data"]["concepts"][0]["name"]) == ("red", "azure")
    assert 0 <= first["data"]["metadata"]["known"] <= 1
    assert "base64" not in str(answer.body)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("where", ["model", "version"])
def test_answers_are_cut_as_asked(call, item, where):
    def names(**values):
        answer = call("PostModelOutputs", model_id="t", inputs=[item("red", 9)], **config(where, **values))
        return [one["id"] for one in answer.body["outputs"][0]["data"]["concepts"]]

    assert len(names()) == 3
    assert names(max_concepts=1) == ["red"]
    assert names(min_value=0.5) == ["red"]
    assert set(names(select_concepts=[{"id": "green"}, {"name": "azure"}])) == {"green", "blue"}


@pytest.mark.usefixtures("three")
def test_selecting_what_is_not_there_is_mixed_or_refused(call, item):
    def asked(*names):
        select = [{"id": name} for name in names]
        return call("PostModelOutputs", model_id="t", inputs=[item()], **config(select_concepts=select))

    assert code(asked("red", "x")) == 10010
    assert code(asked("x", "y")) == 21202


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "values",
    [{"min_value": 2}, {"min_value": -1}, {"min_value": "x"}, {"max_concepts": 201}, {"max_concepts": -1},
     {"select_concepts": "red"}, {"max_concepts": 1e400}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(call, item, values):
    answer = call("PostModelOutputs", model_id="t", inputs=[item()], **config(**values))
    assert (answer.http, code(answer)) == (400, 21202)


@pytest.mark.usefixtures("three")
def test_one_bad_picture_does_not_stop_the_others(call, item):
    answer = call("PostModelOutputs", model_id="t", inputs=[item("red", 9), {"data": {"image": {"base64": b"no"}}}, {}])
    assert (answer.http, code(answer)) == (207, 10010)
    assert [one["status"]["code"] for one in answer.body["outputs"]] == [10000, 30300, 30104]
    assert code(call("PostModelOutputs", model_id="t", inputs=[{}])) == 30104
    assert code(call("PostModelOutputs", model_id="t")) == 39999


def test_a_model_that_is_not_trained_says_so(call, item):
    call("PostModels", model={"id": "m"})
    for version in ("", "v0"):
        answer = call("PostModelOutputs", model_id="m", version_id=version, inputs=[item()])
        assert (answer.http, code(answer)) == (400, 21102)
    assert code(call("PostModelOutputs", model_id="m", version_id="v7", inputs=[item()])) == 11101
    assert code(call("PostModelOutputs", model_id="x", inputs=[item()])) == 21200


@pytest.mark.usefixtures("trained")
def test_a_model_that_was_deleted_and_made_again_is_not_the_old_one(call, item):
    call("PostModelOutputs", model_id="m", inputs=[item()])
    call("DeleteModel", model_id="m")
    assert code(call("PostModelOutputs", model_id="m", inputs=[item()])) == 21200
    call("PostModels", model={"id": "m"})
    assert code(call("PostModelOutputs", model_id="m", inputs=[item()])) == 21102


# --- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("three")
def test_a_version_has_its_metrics(call):
    for rpc in ("PostModelVersionMetrics", "GetModelVersionMetrics"):
        found = call(rpc, model_id="t", version_id="v1").body["model_version"]["metrics"]
        assert found["status"]["code"] == 21300
        assert found["summary"]["top1_accuracy"] > 0.5
        assert [one["concept"]["name"] for one in found["binary_metrics"]] == ["red", "green", "azure"]
        assert found["binary_metrics"][0]["num_pos"] == 4


def test_an_untrained_version_has_none(call):
    call("PostModels", model={"id": "m"})
    found = call("GetModelVersionMetrics", model_id="m", version_id="v0").body["model_version"]["metrics"]
    assert found["status"]["code"] == 21302


# --- searches --------------------------------------------------------------------------------------------------------


def hits(call, rpc="PostInputsSearches", pagination=None, **query):
    answer = call(rpc, searches=[{"query": query}], pagination=pagination)
    assert answer.http == 200, answer.body
    return [(one["input"]["id"], one["score"]) for one in answer.body["hits"]]


def said(concept, value=1, **more):
    return {"annotation": {"data": {"concepts": [{"id": concept, "value": value}]}}, **more}


@pytest.mark.usefixtures("three")
def test_inputs_are_found_by_what_they_show(call):
    assert {id for id, _ in hits(call, filters=[said("red")])} == {"red0", "red1", "red2", "red3"}
    assert len(hits(call, filters=[said("red", 0)])) == 8
    assert hits(call, filters=[said("red"), said("green")]) == []
    assert len(hits(call, filters=[said("azure", negate=True)])) == 8
    assert len(hits(call)) == 12
    second = [id for id, _ in hits(call, pagination={"page": 2, "per_page": 5})]
    assert second == ["green1", "green2", "green3", "blue0", "blue1"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("rpc", ["PostInputsSearches", "PostAnnotationsSearches"])
def test_inputs_are_found_by_how_alike_they_are(call, item, rpc):
    found = hits(call, rpc, ranks=[{"annotation": item("blue", 20)}])
    assert {id for id, _ in found[:4]} == {"blue0", "blue1", "blue2", "blue3"}
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= 0 and scores[0] <= 1.0001
    stored = hits(call, ranks=[{"annotation": {"input_id": "red2"}}], filters=[said("red")])
    assert stored[0] == ("red2", pytest.approx(1, abs=1e-4))
    assert len(stored) == 4


@pytest.mark.usefixtures("three")
def test_the_older_way_to_search_is_understood(call, item):
    ands = [{"input": {"data": {"concepts": [{"id": "green"}]}}}, {"output": {"input": item("green", 9)}}]
    answer = call("PostSearches", query={"ands": ands})
    assert {one["input"]["id"] for one in answer.body["hits"]} == {"green0", "green1", "green2", "green3"}


@pytest.mark.usefixtures("three")
def test_a_search_that_cannot_be_done_says_why(call):
    def asked(**query):
        return code(call("PostInputsSearches", searches=[{"query": query}]))

    assert asked(filters=[said("nothing")]) == 11101
    assert asked(ranks=[{"annotation": {"input_id": "none"}}]) == 11101
    assert asked(ranks=[{"annotation": {"data": {"image": {"base64": b"no"}}}}]) == 30300
    assert asked(filters="x") == 11102
    assert asked(ranks=[said("red")]) == 11102
    assert asked(filters=[{"annotation": {"data": {"image": {"url": "http://a/b"}}}}]) == 11102


@pytest.mark.usefixtures("three")
def test_concepts_are_found_by_name(call):
    def found(name):
        return [one["id"] for one in call("PostConceptsSearches", concept_query={"name": name}).body["concepts"]]

    assert found("AZ") == ["blue"]
    assert found("re*") == ["red"]
    assert found("ee") == ["green"]
    assert found("[") == []


def test_status_codes_are_explained(call):
    assert 10000 in [one["code"] for one in call("ListStatusCodes").body["statuses"]]
    assert call("GetStatusCode", status_code_id="21111").body["status"]["code"] == 21111
    assert call("GetStatusCode", status_code_id="5").http == 404
