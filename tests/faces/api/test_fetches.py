"""Inputs by URL: acknowledged at once, fetched later, remembered."""

import time

import pytest

from edge.faces.api.core import Core
from edge.faces.api.keys import ANYONE
from edge.faces.api.options import Options


@pytest.fixture
def options(tmp_path, png):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "red.png").write_bytes(png("red"))
    (folder / "page.png").write_text("<html>not found</html>")
    return Options(aliases={"https://samples.example/": folder}, fetch_pause=0.01, fetch_seconds=0.5)


def wanted(name="red.png", **image):
    image = {"url": f"https://samples.example/{name}", **image}
    return {"data": {"image": image, "concepts": [{"id": "red", "value": 1}]}}


def settled(call, id):
    for _ in range(500):
        found = call("GetInput", input_id=id).body["input"]
        if found["status"]["code"] != 30001:
            return found
        time.sleep(0.01)
    raise AssertionError("still pending")


def test_an_input_by_url_is_pending_at_once_and_there_later(call, core):
    posted = call("PostInputs", inputs=[{"id": "a", **wanted()}])
    assert posted.http == 200
    assert posted.body["inputs"][0]["status"]["code"] == 30001
    core.start()
    found = settled(call, "a")
    assert found["status"]["code"] == 30000
    assert found["data"]["image"]["url"] == "https://samples.example/red.png"
    assert found["data"]["concepts"][0]["value"] == 1


def test_what_was_acknowledged_is_fetched_by_the_next_process(call, engine, options):
    id = call("PostInputs", inputs=[wanted()]).body["inputs"][0]["id"]
    later = Core(engine, options)  # the first never started: as if it had been killed
    later.start()
    try:
        assert settled(lambda rpc, **r: later.call(rpc, r, ANYONE), id)["status"]["code"] == 30000
    finally:
        later.close()


@pytest.mark.parametrize("name", ["none.png", "page.png"])
def test_what_cannot_be_fetched_or_is_no_picture_fails(call, core, name):
    id = call("PostInputs", inputs=[wanted(name)]).body["inputs"][0]["id"]
    core.start()
    found = settled(call, id)
    assert found["status"]["code"] == 30002
    assert found["status"]["details"]
    assert call("GetInputCount").body["counts"]["errors"] == 1


def test_a_server_that_is_not_there_is_tried_again_then_given_up(call, core):
    core.start()
    id = call("PostInputs", inputs=[{"data": {"image": {"url": "http://nowhere.invalid/a.png"}}}]).body["inputs"][0][
        "id"
    ]
    assert settled(call, id)["status"]["code"] == 30002


def test_a_known_url_is_a_duplicate_unless_that_is_allowed(call):
    call("PostInputs", inputs=[wanted()])
    assert call("PostInputs", inputs=[wanted()]).body["status"]["code"] == 30100
    twice = call("PostInputs", inputs=[wanted("page.png"), wanted("page.png")]).body
    assert [one["status"]["code"] for one in twice["inputs"]] == [30001, 30100]
    assert call("PostInputs", inputs=[wanted(allow_duplicate_url=True)]).http == 200


def test_a_pending_input_can_be_listed_changed_and_deleted(call, item):
    call("PostInputs", inputs=[item(seed=1), {"id": "a", **wanted()}])
    assert [one["status"]["code"] for one in call("ListInputs").body["inputs"]] == [30000, 30001]
    assert [one["id"] for one in call("ListInputs", page=2, per_page=1).body["inputs"]] == ["a"]
    assert call("ListInputs", page=3, per_page=1).body["inputs"] == []
    change = {"id": "a", "data": {"concepts": [{"id": "ripe", "value": 0}], "metadata": {"x": 1}}}
    found = call("PatchInputs", action="merge", inputs=[change]).body["inputs"][0]
    assert {one["id"]: one["value"] for one in found["data"]["concepts"]} == {"red": 1, "ripe": 0}
    assert call("DeleteInput", input_id="a").http == 200
    assert call("GetInput", input_id="a").body["status"]["code"] == 11101


def test_what_is_said_while_it_is_fetched_is_kept(call, core):
    call("PostInputs", inputs=[{"id": "a", **wanted()}])
    call("PatchInputs", action="overwrite", inputs=[{"id": "a", "data": {"concepts": [{"id": "green", "value": 0}]}}])
    core.start()
    assert [one["id"] for one in settled(call, "a")["data"]["concepts"]] == ["green"]


class TestFull:
    @pytest.fixture
    def options(self):
        return Options(max_pending=1)

    def test_a_full_queue_says_so_and_takes_nothing(self, call):
        assert call("PostInputs", inputs=[wanted("a"), wanted("b")]).http == 429
        assert call("ListInputs").body["inputs"] == []


@pytest.mark.usefixtures("trained")
def test_predictions_fetch_in_line(call):
    for url, code in (("https://samples.example/red.png", 10000), ("https://samples.example/none.png", 30002)):
        answer = call("PostModelOutputs", model_id="m", inputs=[{"data": {"image": {"url": url}}}])
        assert answer.body["status"]["code"] == code
        assert answer.body["outputs"][0]["input"]["data"]["image"]["url"] == url


@pytest.mark.parametrize(("rpc", "first"), [("ListInputs", "page"), ("GetInput", "by_id"), ("GetInputCount", "counts")])
def test_an_input_that_is_fetched_while_somebody_looks_is_seen_once(call, core, monkeypatch, rpc, first):
    """Between the first look and the second, at the store and at the queue, the fetch has all the time it wants."""
    call("PostInputs", inputs=[{"id": "a", **wanted()}])
    place = core.fetches if first == "counts" else core.engine.store.inputs
    look = getattr(place, first)

    def slowly(*arguments, **options):
        found = look(*arguments, **options)
        core.start()
        time.sleep(0.3)
        return found

    monkeypatch.setattr(place, first, slowly)
    answered = call(rpc, input_id="a")
    monkeypatch.undo()
    body = answered.body
    seen = len(body.get("inputs", ())) or ("input" in body) or sum(body.get("counts", {}).values())
    assert (answered.http, seen) == (200, 1)
