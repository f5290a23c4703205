"""Inputs over the core: adding, listing, changing, deleting, and what is refused."""

import base64

import pytest

from edge.faces.api.options import Options


def codes(answer):
    return answer.body["status"]["code"], [one["status"]["code"] for one in answer.body["inputs"]]


def concepts(shape):
    return {one["id"]: one["value"] for one in shape["data"]["concepts"]}


def test_inputs_come_back_in_the_order_and_number_they_were_sent(call, item):
    sent = [item("red", 1, id="b"), {"id": "bad"}, item("red", 2, id="a"), item("green", 1, {"red": 0}, id="c")]
    answer = call("PostInputs", inputs=sent)
    assert answer.http == 207
    assert codes(answer) == (10010, [30000, 30104, 30000, 30000])
    assert [one["id"] for one in answer.body["inputs"]] == ["b", "bad", "a", "c"]


def test_an_absent_value_is_a_positive_and_old_clients_booleans_count(call, item):
    sent = item(data={"concepts": [{"id": "a"}, {"id": "b", "value": False}, {"id": "c", "value": True}]}, id=None)
    answer = call("PostInputs", inputs=[sent])
    assert concepts(answer.body["inputs"][0]) == {"a": 1, "b": 0, "c": 1}


def test_bytes_are_taken_as_they_are(call, png):
    answer = call("PostInputs", inputs=[{"data": {"image": {"base64": png()}}}])
    assert codes(answer) == (10000, [30000])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"data": None}, 30104),
        ({"data": []}, 30104),
        ({"data": {"image": {"base64": "!!!"}}}, 30300),
        ({"data": {"image": {"base64": 5}}}, 30300),
        ({"data": {"image": {"base64": base64.b64encode(b"<html></html>").decode()}}}, 30300),
        ({"data": {"image": {"url": "ftp://x/y"}}}, 30106),
        ({"data": {"image": {"url": 5}}}, 30104),
        ({"id": "../../etc/passwd"}, 30104),
        ({"id": "a" * 129}, 30104),
        ({"id": "\ud800"}, 30104),
        ({"id": 5}, 30104),
    ],
)
def test_a_bad_input_is_refused_and_nothing_is_stored(call, item, change, code):
    answer = call("PostInputs", inputs=[{**item(), **change}])
    assert (answer.http, codes(answer)) == (400, (code, [code]))
    assert call("ListInputs").body["inputs"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"concepts": [{"id": "a", "value": 0.5}]},
        {"concepts": [{"id": "a", "value": 1e400}]},
        {"concepts": [{"id": "a", "value": "1"}]},
        {"concepts": [{"id": "a", "value": 10**400}]},
        {"concepts": [{"id": "a"}, {"id": "a", "value": 0}]},
        {"concepts": [{"value": 1}]},
        {"concepts": [{"id": "a/b"}]},
        {"concepts": {"id": "a"}},
        {"concepts": ["a"]},
        {"metadata": "text"},
        {"metadata": {"a": 10**400}},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": "x" * 70_000}},
        {"geo": {"geo_point": {"longitude": 181, "latitude": 0}}},
    ],
)
def test_what_is_said_wrongly_about_an_input_is_refused(call, item, said):
    answer = call("PostInputs", inputs=[item(data=said)])
    assert codes(answer) == (30104, [30104])
    assert call("ListInputs").body["inputs"] == []
    assert call("ListConcepts").body["concepts"] == []


def test_ten_thousand_concepts_on_one_input_are_over_the_limit(call, item):
    answer = call("PostInputs", inputs=[item(data={"concepts": [{"id": f"c{i}"} for i in range(10_000)]})])
    assert codes(answer) == (30105, [30105])
    assert call("ListConcepts").body["concepts"] == []


def test_deeply_nested_metadata_is_refused(call, item):
    deep = {}
    for _ in range(200):
        deep = {"a": deep}
    assert codes(call("PostInputs", inputs=[item(data={"metadata": deep})])) == (30104, [30104])


def test_names_in_any_script_are_kept(call, item):
    names = ["סוס", "tomate mûre", "🍅", "ａ", "e\u0301"]
    answer = call("PostInputs", inputs=[item(concepts=dict.fromkeys(names, 1))])
    assert set(concepts(answer.body["inputs"][0])) == set(names)


def test_more_than_128_inputs_are_refused(call, item):
    answer = call("PostInputs", inputs=[item()] * 129)
    assert (answer.http, answer.body["status"]["code"]) == (400, 39999)
    assert call("ListInputs").body["inputs"] == []


@pytest.mark.parametrize("inputs", [None, [], {}, "x", [1], [None]])
def test_a_request_without_inputs_is_refused(call, inputs):
    assert call("PostInputs", inputs=inputs).body["status"]["code"] == 39999


class TestSmallPictures:
    @pytest.fixture
    def options(self):
        return Options(max_image=100)

    def test_a_picture_over_the_cap_is_refused(self, call, item):
        assert codes(call("PostInputs", inputs=[item()])) == (30105, [30105])


def test_an_id_that_is_taken_is_a_duplicate(call, item):
    call("PostInputs", inputs=[item(id="a")])
    assert codes(call("PostInputs", inputs=[item("red", 1, id="a")])) == (30100, [30100])
    assert codes(call("PostInputs", inputs=[item("red", 2, id="b"), item("red", 3, id="b")])) == (10010, [30000, 30100])


def test_the_same_picture_without_an_id_is_the_same_input_and_its_concepts_merge(call, item):
    first = call("PostInputs", inputs=[item(concepts={"a": 1})]).body["inputs"][0]
    again = call("PostInputs", inputs=[item(concepts={"b": 0})]).body["inputs"][0]
    assert first["id"] == again["id"]
    assert concepts(again) == {"a": 1, "b": 0}


def test_a_picture_that_comes_back_after_it_was_deleted_has_only_what_it_came_with(call, item):
    id = call("PostInputs", inputs=[item(concepts={"wrong": 1})]).body["inputs"][0]["id"]
    call("DeleteInput", input_id=id)
    assert concepts(call("PostInputs", inputs=[item(concepts={"right": 1})]).body["inputs"][0]) == {"right": 1}
    assert concepts(call("GetInput", input_id=id).body["input"]) == {"right": 1}


def test_pages_are_walked_until_an_empty_one(call, item):
    call("PostInputs", inputs=[item("red", seed, id=f"i{seed}") for seed in range(5)])
    pages = [[one["id"] for one in call("ListInputs", page=page, per_page="2").body["inputs"]] for page in (1, 2, 3, 4)]
    assert pages == [["i0", "i1"], ["i2", "i3"], ["i4"], []]
    assert call("ListInputs", page=0, per_page=0).body["inputs"][0]["id"] == "i0"


@pytest.mark.parametrize("page", [-1, "x", 1.5, 1e400, [], "9" * 50, 10**30])
def test_a_page_that_is_no_number_is_refused(call, page):
    assert call("ListInputs", page=page).http == 400


def test_only_whole_ids_name_an_input(call, item):
    id = call("PostInputs", inputs=[item()]).body["inputs"][0]["id"]
    for wrong in (id[:8], id.upper(), "", "x" * 500):
        assert call("GetInput", input_id=wrong).http == 404
        assert call("DeleteInput", input_id=wrong).http == 404
    assert call("GetInput", input_id=id).http == 200


def test_metadata_and_place_are_kept_and_merged(call, item):
    place = {"geo_point": {"longitude": 8.5, "latitude": 47.4}}
    call("PostInputs", inputs=[item(id="a", data={"metadata": {"x": {"y": 1}}, "geo": place})])
    merged = call("PatchInputs", action="merge", inputs=[{"id": "a", "data": {"metadata": {"x": {"z": 2}}}}])
    assert merged.body["inputs"][0]["data"]["metadata"] == {"x": {"y": 1, "z": 2}}
    assert merged.body["inputs"][0]["data"]["geo"] == place
    over = call("PatchInputs", action="overwrite", inputs=[{"id": "a", "data": {"metadata": {"n": 1}}}])
    assert over.body["inputs"][0]["data"]["metadata"] == {"n": 1}
    assert over.body["inputs"][0]["data"]["geo"] == place
    moved = {"geo_point": {"longitude": 1, "latitude": 2}}
    both = call("PatchInputs", action="overwrite", inputs=[{"id": "a", "data": {"geo": moved}}])
    assert both.body["inputs"][0]["data"]["metadata"] == {"n": 1}
    assert both.body["inputs"][0]["data"]["geo"] == moved
    gone = call("PatchInputs", action="remove", inputs=[{"id": "a", "data": {"metadata": {"n": None}}}])
    assert "metadata" not in gone.body["inputs"][0]["data"]


def test_metadata_that_grows_too_large_by_merging_is_refused(call, item):
    call("PostInputs", inputs=[item(id="a", data={"metadata": {"x": "x" * 40_000}})])
    grown = call("PatchInputs", action="merge", inputs=[{"id": "a", "data": {"metadata": {"y": "y" * 40_000}}}])
    assert grown.http == 400 and "64 KiB" in grown.body["status"]["details"]
    assert call("GetInput", input_id="a").body["input"]["data"]["metadata"] == {"x": "x" * 40_000}


@pytest.mark.parametrize(
    ("action", "after"),
    [("merge", {"a": 0, "b": 1, "c": 1}), ("overwrite", {"a": 0, "c": 1}), ("remove", {"b": 1})],
)
def test_concepts_are_merged_overwritten_or_removed(call, item, action, after):
    call("PostInputs", inputs=[item(id="i", concepts={"a": 1, "b": 1})])
    patch = {"id": "i", "data": {"concepts": [{"id": "a", "value": 0}, {"id": "c"}]}}
    answer = call("PatchInputs", action=action, inputs=[patch])
    assert concepts(answer.body["inputs"][0]) == after
    assert concepts(call("GetInput", input_id="i").body["input"]) == after


def test_a_patch_says_of_each_input_how_it_went(call, item):
    call("PostInputs", inputs=[item(id="i")])
    answer = call("PatchInputs", action="merge", inputs=[{"id": "i", "data": {}}, {"id": "none"}])
    assert (answer.http, codes(answer)) == (207, (10010, [30000, 11101]))
    assert call("PatchInputs", action="merge", inputs=[{"id": "none"}]).http == 404
    assert call("PatchInputs", action="explode", inputs=[{"id": "i"}]).body["status"]["code"] == 39999


def test_deleting_several_is_all_or_nothing(call, item):
    call("PostInputs", inputs=[item("red", seed, id=f"i{seed}") for seed in range(3)])
    assert call("DeleteInputs", ids=["i0", "none"]).http == 404
    assert call("GetInputCount").body["counts"]["processed"] == 3
    assert call("DeleteInputs", ids=["i0", "i1"]).http == 200
    assert call("GetInput", input_id="i0").body["status"]["code"] == 11101
    assert call("GetInputCount").body["counts"]["processed"] == 1
