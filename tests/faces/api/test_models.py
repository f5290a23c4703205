"""Models, versions, concepts over the core, in both generations of requests."""

from functools import partial

import pytest

from edge.faces.api.options import Options
from edge.head.training import evaluation_sample


def code(answer):
    return answer.body["status"]["code"]


def outputs(*ids, **config):
    return {"data": {"concepts": [{"id": id} for id in ids]}, "output_config": config}


@pytest.fixture
def examples(call, item):
    call("PostInputs", inputs=[item("red", seed, {"red": 1, "green": 0}) for seed in range(3)])
    call("PostInputs", inputs=[item("green", seed, {"green": 1, "red": 0}) for seed in range(3)])


def trained(call, core, model, version="v1"):
    core.engine.model(model).version(version).wait(60)
    return call("GetModelVersion", model_id=model, version_id=version).body["model_version"]


def test_a_new_model_has_an_untrained_version(call):
    made = call("PostModels", models=[{"id": "m", "output_info": outputs("red", concepts_mutually_exclusive=False)}])
    version = made.body["model"]["model_version"]
    assert version["status"]["code"] == 21102
    asked = call("GetModelVersion", model_id="m", version_id=version["id"]).body["model_version"]
    assert asked["status"]["code"] == 21102
    assert [one["id"] for one in call("ListModelVersions", model_id="m").body["model_versions"]] == [version["id"]]


@pytest.mark.usefixtures("examples")
def test_the_older_requests_name_concepts_when_the_model_is_made(call, core):
    call("PostModels", model={"id": "m", "output_info": outputs("red", "green", concepts_mutually_exclusive=True)})
    queued = call("PostModelVersions", model_id="m").body["model"]["model_version"]
    assert (queued["id"], queued["status"]["code"] in (21103, 21101, 21100)) == ("v1", True)
    version = trained(call, core, "m")
    assert (version["status"]["code"], version["active_concept_count"], version["total_input_count"]) == (21100, 2, 6)


@pytest.mark.usefixtures("examples")
def test_the_newer_requests_name_concepts_and_settings_when_they_train(call, core):
    call("PostModels", models=[{"id": "m"}])
    wanted = outputs("red", "green", concepts_mutually_exclusive=True)
    call("PostModelVersions", model_id="m", model_versions=[{"output_info": wanted}])
    assert trained(call, core, "m")["active_concept_count"] == 2
    assert core.engine.model("m").info.mutually_exclusive


@pytest.mark.usefixtures("examples")
def test_where_nobody_names_concepts_all_that_were_shown_are_trained(call, core):
    call("PostModels", models=[{"id": "m"}])
    call("PostModelVersions", model_id="m")
    assert trained(call, core, "m")["active_concept_count"] == 2


@pytest.mark.usefixtures("examples")
def test_settings_of_a_trained_model_change_with_its_next_training(call, core):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red", "green")}])
    call("PostModelVersions", model_id="m")
    trained(call, core, "m")
    other = outputs(concepts_mutually_exclusive=True)
    assert code(call("PostModelVersions", model_id="m", model_versions=[{"output_info": other}])) == 10000
    trained(call, core, "m", "v2")
    assert core.engine.model("m").head()[1].mutually_exclusive


def test_training_without_examples_says_which_are_missing(call, core):
    call("PostModels", models=[{"id": "none"}])
    assert code(call("PostModelVersions", model_id="none")) == 21111
    call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
    call("PostModelVersions", model_id="m")
    version = trained(call, core, "m")
    assert version["status"]["code"] == 21111
    assert "red" in version["status"]["details"]


def test_one_concept_cannot_exclude_itself(call):
    made = {"id": "m", "output_info": outputs("red", concepts_mutually_exclusive=True)}
    assert code(call("PostModels", models=[made])) == 21112
    assert call("ListModels").body["models"] == []


def test_a_model_is_made_once(call):
    call("PostModels", models=[{"id": "m"}])
    assert (call("PostModels", models=[{"id": "m"}]).http, code(call("PostModels", models=[{"id": "m"}]))) == (
        400,
        40010,
    )


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"model": {"id": ""}},
        {"model": []},
        {"models": [1]},
        {"models": [{"id": "a"}, {"id": "b"}]},
        {"model": {"id": "a/b"}},
        {"model": {"id": "m", "model_type_id": "visual-detector"}},
        {"model": {"id": "m", "output_info": {"data": {"concepts": [{"id": "x" * 200}]}}}},
        {"model": {"id": "m", "output_info": {"output_config": {"closed_environment": "maybe"}}}},
        {"model": {"id": "m", "metadata": []}},
    ],
)
def test_a_model_that_cannot_be_is_refused(call, request_):
    assert call("PostModels", **request_).http == 400
    assert call("ListModels").body["models"] == []
    assert call("ListConcepts").body["concepts"] == []


def test_unknown_models_and_versions_are_told_apart(call):
    call("PostModels", models=[{"id": "m"}])
    assert (call("GetModel", model_id="x").http, code(call("GetModel", model_id="x"))) == (404, 21200)
    for id in ("v9", "x", "v0x", "9" * 40, "..", "v01"):
        answer = call("GetModelVersion", model_id="m", version_id=id)
        assert (answer.http, code(answer)) == (404, 11101)


def test_names_notes_and_concepts_of_a_model_change(call):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
    change = {"id": "m", "name": "Tomatoes", "notes": "by the door", "metadata": {"a": 1}}
    call("PatchModels", action="overwrite", models=[change])
    model = call("GetModel", model_id="m").body["model"]
    assert (model["name"], model["notes"], model["metadata"]) == ("Tomatoes", "by the door", {"a": 1})
    for action, after in (("merge", ["red", "green"]), ("overwrite", ["green"])):
        call("PatchModels", action=action, models=[{"id": "m", "output_info": outputs("green")}])
        info = call("GetModelOutputInfo", model_id="m").body["model"]["output_info"]
        assert [one["id"] for one in info["data"]["concepts"]] == after
    assert code(call("PatchModels", action="overwrite", models=[{"id": "x"}])) == 21200


def test_deleting_a_model_forgets_its_notes(call):
    call("PostModels", models=[{"id": "m", "name": "Tomatoes"}])
    assert call("DeleteModel", model_id="m").http == 200
    assert call("DeleteModel", model_id="m").http == 404
    call("PostModels", models=[{"id": "m"}])
    assert call("GetModel", model_id="m").body["model"]["name"] == "m"
    assert call("DeleteModels").http == 400
    assert call("DeleteModels", ids=["m", "x"]).http == 404
    assert call("DeleteModels", delete_all=True).http == 200
    assert call("ListModels").body["models"] == []


@pytest.mark.usefixtures("examples")
def test_a_deleted_version_is_gone_and_the_one_before_answers(call, core, item):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
    for version in ("v1", "v2"):
        call("PostModelVersions", model_id="m")
        trained(call, core, "m", version)
    assert call("DeleteModelVersion", model_id="m", version_id="v2").http == 200
    assert call("DeleteModelVersion", model_id="m", version_id="v2").http == 404
    answer = call("PostModelOutputs", model_id="m", inputs=[item("red", 9)])
    assert answer.body["outputs"][0]["model"]["model_version"]["id"] == "v1"
    assert call("DeleteModelVersion", model_id="m", version_id="v0").http == 404


class TestFewTrainings:
    @pytest.fixture
    def options(self):
        return Options(max_trainings=1)

    @pytest.mark.usefixtures("examples")
    def test_trainings_beyond_the_limit_wait_at_the_client(self, call, core):
        call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
        with core.engine.store.models.training():  # somebody else trains: ours stays queued
            assert call("PostModelVersions", model_id="m").http == 200
            assert call("PostModelVersions", model_id="m").http == 429
        trained(call, core, "m")


def test_the_one_model_type_can_be_asked_for(call):
    assert call("GetModelType", model_type_id="embedding-classifier").body["model_type"]["input_fields"] == ["image"]
    assert call("GetModelType", model_type_id="x").http == 404
    assert len(call("ListModelTypes").body["model_types"]) == 1


# --- concepts --------------------------------------------------------------------------------------------------------


def test_concepts_are_made_once_listed_and_renamed(call):
    made = call("PostConcepts", concepts=[{"id": "c1", "name": "Cat"}, {"id": "dog"}])
    assert [(one["id"], one["name"]) for one in made.body["concepts"]] == [("c1", "Cat"), ("dog", "dog")]
    again = call("PostConcepts", concepts=[{"id": "new"}, {"id": "c1"}])
    assert (again.http, code(again)) == (400, 40003)
    assert "duplicate" in again.body["status"]["details"]
    assert [one["id"] for one in call("ListConcepts").body["concepts"]] == ["c1", "dog"]
    call("PatchConcepts", action="overwrite", concepts=[{"id": "c1", "name": "Tom"}])
    assert call("GetConcept", concept_id="c1").body["concept"]["name"] == "Tom"
    assert call("GetConcept", concept_id="Tom").http == 404
    assert code(call("PatchConcepts", concepts=[{"id": "c1", "name": "dog"}])) == 40003


# --- one app ---------------------------------------------------------------------------------------------------------


class TestOneApp:
    @pytest.fixture
    def options(self):
        return Options(app="barn", user="farmer")

    def test_only_the_configured_ids_are_answered(self, call):
        for user, app, http in (("me", "barn", 200), ("farmer", "barn", 200), ("", "", 200), ("x", "barn", 404),
                                ("me", "x", 404)):  # fmt: skip
            assert call("ListModels", user_app_id={"user_id": user, "app_id": app}).http == http


def test_a_scope_that_is_missing_is_named(core):
    from edge.faces.api.keys import Caller

    answer = core.call("PostModelVersions", {"model_id": "m"}, Caller("reader", frozenset({"read"})))
    assert (answer.http, answer.body["status"]["code"]) == (403, 11007)
    assert "train" in answer.body["status"]["details"]


@pytest.mark.usefixtures("examples")
def test_the_inputs_of_a_model_are_those_of_which_something_is_said_about_its_concepts(call, item):
    call("PostInputs", inputs=[item("blue", 1, {"blue": 1}), item("blue", 2, {})])
    call("PostModels", models=[{"id": "m", "output_info": outputs("red", "blue")}])
    call("PostModels", models=[{"id": "none"}])
    found = call("ListModelInputs", model_id="m").body["inputs"]
    assert len(found) == 7
    assert all({"red", "blue"} & {one["id"] for one in each["data"]["concepts"]} for each in found)
    assert call("ListModelInputs", model_id="m", page=2, per_page=5).body["inputs"] == found[5:]
    assert call("ListModelInputs", model_id="none").body["inputs"] == []
    assert code(call("ListModelInputs", model_id="nobody")) == 21200


@pytest.mark.usefixtures("examples")
def test_the_inputs_of_a_version_are_those_of_its_own_concepts(call, core):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
    call("PostModelVersions", model_id="m")
    trained(call, core, "m")
    core.engine.model("m").add_concepts("blue")
    core.engine.annotate(core.engine.inputs()[0].id, concepts=["blue"], clear=["red", "green"])
    assert len(call("ListModelInputs", model_id="m", version_id="v1").body["inputs"]) == 5
    assert len(call("ListModelInputs", model_id="m").body["inputs"]) == 6


@pytest.mark.usefixtures("examples")
def test_a_versions_evaluation_is_that_of_its_training(call, core):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red", "green")}])
    asked = {"model_id": "m", "model_version_id": "v1"}
    assert call("ListModelVersionEvaluations", model_id="m", model_version_id="v0").body["eval_metrics"] == []
    assert code(call("PostModelVersionEvaluations", **asked)) == 11101
    call("PostModelVersions", model_id="m")
    trained(call, core, "m")
    (made,) = call("PostModelVersionEvaluations", **asked).body["eval_metrics"]
    assert (made["status"]["code"], made["model"]["model_version"]["id"]) == (21300, "v1")
    assert call("ListModelVersionEvaluations", **asked).body["eval_metrics"] == [made]
    assert call("GetModelVersionEvaluation", **asked, evaluation_id=made["id"]).body["eval_metrics"] == made
    assert code(call("GetModelVersionEvaluation", **asked, evaluation_id="x")) == 11101


def test_the_number_of_inputs_a_version_learnt_from_is_exact_beyond_what_is_measured(call, core, item, monkeypatch):
    """Of three inputs about red and three others about green, four are measured and no count alone says six."""
    monkeypatch.setattr("edge.engine.learning.evaluation_sample", partial(evaluation_sample, limit=4))
    call("PostInputs", inputs=[item("red", seed, {"red": int(seed > 0)}) for seed in range(3)])
    call("PostInputs", inputs=[item("green", seed, {"green": int(seed > 0)}) for seed in range(3)])
    call("PostModels", models=[{"id": "m", "output_info": outputs("red", "green")}])
    call("PostModelVersions", model_id="m")
    found = trained(call, core, "m")
    assert "measured on 4 of 6 pictures" in core.engine.model("m").version("v1").evaluation.notes
    assert found["total_input_count"] == 6


@pytest.mark.parametrize("action", ["merge", "overwrite"])
def test_settings_are_patched_and_what_is_not_named_stays(call, core, action):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red", "green", closed_environment=True)}])
    settings = {"output_config": {"concepts_mutually_exclusive": True}}
    found = call("PatchModels", action=action, models=[{"id": "m", "output_info": settings}]).body["models"][0]
    assert found["output_info"]["output_config"] == {"concepts_mutually_exclusive": True, "closed_environment": True}
    call(
        "PatchModels",
        action=action,
        models=[{"id": "m", "output_info": {"output_config": {"closed_environment": False}}}],
    )
    info = core.engine.model("m").info
    assert (info.concepts, info.mutually_exclusive, info.closed_environment) == (("red", "green"), True, False)


def test_a_model_of_one_concept_is_not_patched_to_exclude_others(call):
    call("PostModels", models=[{"id": "m", "output_info": outputs("red")}])
    settings = {"output_config": {"concepts_mutually_exclusive": True}}
    assert code(call("PatchModels", action="merge", models=[{"id": "m", "output_info": settings}])) == 21202
