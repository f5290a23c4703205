"""What the page asks: pictures, annotations, models, reviews, downloads; and what strangers may try."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime

import pytest
from PIL import Image

from edge.faces.api.options import Options
from edge.faces.page.downloads import Download, Tickets, archive
from edge.store.browsing import Filter


def refused(answer):
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def colours(client, send):
    """A trained model "colours" of red and green, and the ids of its eight pictures."""
    ids = [send(colour, seed, show=colour)["id"] for colour in ("red", "green") for seed in range(4)]
    body = {"name": "colours", "concepts": ["red", "green"], "mutually_exclusive": True}
    assert client.post("/local/models", json=body).status_code == 200
    trained(client, "colours")
    return ids


def trained(client, model):
    version = client.post(f"/local/models/{model}/train").json()["version"]
    while not version["finished"]:
        version = client.get(f"/local/models/{model}/versions/{version['id']}").json()["version"]
    return version


# --- the files -------------------------------------------------------------------------------------------------------


def test_the_page_lets_no_script_in_and_nobody_frame_it(client):
    answer = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_file_the_page_names_is_there_with_its_type(client):
    kinds = {
        "app.css": "text/css",
        "app.js": "text/javascript",
        "icon.svg": "image/svg+xml",
        "ui.js": "text/javascript",
    }
    for name, kind in kinds.items():
        answer = client.get(f"/page/{name}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


@pytest.mark.parametrize(
    "path", ["../routes.py", "%2e%2e/routes.py", "..%2froutes.py", "nothing.js", "", "/etc/passwd"]
)
def test_no_path_leads_out_of_the_folder_of_the_page(client, path):
    assert client.get(f"/page/{path}").status_code == 404


# --- who may ---------------------------------------------------------------------------------------------------------


def test_with_a_key_in_existence_only_its_owner_is_answered(client, keys):
    _, secret = keys.create("phone")
    assert refused(client.get("/local/state")) == (401, "key")
    assert refused(client.get("/local/state", headers={"authorization": "Key wrong"})) == (401, "key")
    state = client.get("/local/state", headers={"authorization": f"Key {secret}"}).json()
    assert (state["caller"], state["keyed"]) == ("phone", True)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("write", "POST", "/local/remove"),
        ("train", "POST", "/local/models/m/train"),
        ("predict", "POST", "/local/models/m/predict"),
        ("write", "DELETE", "/local/models/m"),
        ("write", "POST", "/local/inputs"),
    ],
)
def test_a_key_does_what_its_scopes_allow_and_no_more(client, keys, scope, method, path):
    _, secret = keys.create("reader", ["read"])
    answer = client.request(method, path, headers={"authorization": f"Key {secret}"})
    assert refused(answer) == (403, "scope")
    assert f"--scope {scope}" in answer.json()["error"]["message"]


def test_annotations_say_whose_key_they_were_made_with(client, keys, send, engine):
    assert send("red", 1, show="red")["annotations"][0]["by"] == "page"
    _, secret = keys.create("ada")
    client.headers["authorization"] = f"Key {secret}"
    assert send("red", 2, show="red")["annotations"][0]["by"] == "ada"
    assert len(engine.inputs()) == 2


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_page_may_not_use_the_device_even_with_a_key(client, keys, headers):
    _, secret = keys.create("phone")
    answer = client.get("/local/state", headers={"authorization": f"Key {secret}", **headers})
    assert refused(answer) == (403, "origin")


def test_a_form_of_another_page_cannot_send_what_is_understood(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert refused(client.post("/local/remove", content="{}", headers={"content-type": kind})) == (
            415,
            "media_type",
        )
        assert refused(client.post("/local/inputs", content="x", headers={"content-type": kind})) == (415, "media_type")


# --- pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_comes_in_with_what_it_shows_and_where_it_is_from(client, jpeg):
    headers = {"content-type": "image/jpeg"}
    sent = {"show": "red", "not": ["green", "blue"], "name": r"C:\photos\..\a<b>.jpg"}
    first = client.post("/local/inputs", content=jpeg("red"), params=sent, headers=headers).json()
    said = {one["concept_id"]: one["value"] for one in first["input"]["annotations"]}
    assert (first["created"], said) == (True, {"red": 1, "green": 0, "blue": 0})
    assert first["input"]["source"] == "upload/a<b>.jpg"
    again = client.post("/local/inputs", content=jpeg("red"), params={"from": "camera"}, headers=headers).json()
    assert (again["created"], again["input"]["id"]) == (False, first["input"]["id"])


def test_what_is_no_picture_is_refused_and_not_stored(client, engine):
    headers = {"content-type": "image/png"}
    assert refused(client.post("/local/inputs", content=b"<html>", headers=headers)) == (400, "bad_image")
    assert refused(client.post("/local/inputs", content=b"", headers=headers)) == (400, "bad_image")
    assert engine.inputs() == []


@pytest.mark.parametrize("options", [Options(max_image=1000)])
def test_a_picture_over_the_cap_is_refused_before_it_is_read(client, engine):
    headers = {"content-type": "image/jpeg"}
    assert refused(client.post("/local/inputs", content=b"x" * 1001, headers=headers)) == (413, "too_large")
    pieces = (b"x" * 100 for _ in range(11))  # without a length
    assert refused(client.post("/local/inputs", content=pieces, headers=headers)) == (413, "too_large")
    assert engine.inputs() == []


def test_pictures_come_in_pages_by_filter(client, send):
    ids = [send("red", seed, show="red")["id"] for seed in range(3)]
    ids.append(send("blue", 0)["id"])
    everything = client.get("/local/inputs", params={"limit": "2"}).json()
    assert ([one["id"] for one in everything["inputs"]], everything["total"]) == (ids[:1:-1], 4)
    rest = client.get("/local/inputs", params={"limit": "2", "after": ids[2]}).json()
    assert [one["id"] for one in rest["inputs"]] == ids[1::-1]
    assert client.get("/local/inputs", params={"state": "unlabelled"}).json()["total"] == 1
    assert client.get("/local/inputs", params={"concept": "red", "state": "shown"}).json()["total"] == 3
    assert client.get("/local/inputs", params={"since": "2999-01-01"}).json()["total"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "0"},
        {"limit": "1e3"},
        {"limit": "99999999999"},
        {"state": "odd"},
        {"since": "yesterday"},
        {"until": "9" * 99},
    ],
)
def test_a_filter_that_means_nothing_is_refused(client, wrong):
    assert refused(client.get("/local/inputs", params=wrong)) == (400, "invalid_argument")


def test_a_small_picture_is_a_jpeg_of_the_side_asked_for(client, send):
    id = send("red")["id"]
    answer = client.get(f"/local/inputs/{id}/picture", params={"side": "320"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (320, 320)
    assert refused(client.get(f"/local/inputs/{id}/picture", params={"side": "321"})) == (400, "invalid_argument")
    assert refused(client.get("/local/inputs/nothing/picture")) == (404, "not_found")


def test_a_removed_picture_can_be_looked_at_and_brought_back(client, send):
    id = send("red", show="red")["id"]
    assert client.post("/local/remove", json={"inputs": [id]}).json() == {"removed": 1}
    assert client.get("/local/inputs").json()["total"] == 0
    assert client.get("/local/inputs", params={"state": "removed"}).json()["total"] == 1
    assert client.get(f"/local/inputs/{id}/picture").status_code == 200
    assert client.post("/local/restore", json={"inputs": [id]}).json() == {"restored": 1}
    assert client.get("/local/inputs").json()["inputs"][0]["annotations"][0]["concept_id"] == "red"


def test_several_pictures_are_annotated_together_or_not_at_all(client, send):
    one, two = send("red", 1, show="red")["id"], send("red", 2)["id"]
    changes = [{"input": one, "values": {"red": None, "green": 0}}, {"input": two, "values": {"green": 1}}]
    found = client.post("/local/annotations", json={"changes": changes}).json()["inputs"]
    assert [{each["concept_id"]: each["value"] for each in one["annotations"]} for one in found] == [
        {"green": 0},
        {"green": 1},
    ]
    wrong = [{"input": one, "values": {"green": None}}, {"input": "gone", "values": {"green": None}}]
    assert refused(client.post("/local/annotations", json={"changes": wrong})) == (404, "not_found")
    assert len(client.get("/local/inputs", params={"concept": "green"}).json()["inputs"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"changes": {}}',
        b'{"changes": []}',
        b'{"changes": [[]]}',
        b'{"changes": [{"input": 1, "values": {}}]}',
        b'{"changes": [{"input": "a", "values": {"b": true}}]}',
        b'{"changes": [{"input": "a", "values": {"b": 0.5}}]}',
        b'{"changes": [{"input": "a", "values": {"b": 1e999}}]}',
        b'{"changes": [{"input": "\\ud800", "values": {"b": 1}}]}',
        b'{"changes": ' + b"[" * 100_000,
        b'{"changes": [' + b",".join([b'{"input": "a", "values": {}}'] * 501) + b"]}",
    ],
)
def test_annotations_that_are_none_are_refused_with_a_sentence(client, body):
    answer = client.post("/local/annotations", content=body, headers={"content-type": "application/json"})
    assert refused(answer) == (400, "invalid_argument")


def test_forgetting_a_concept_that_nobody_named_makes_none(client, send):
    change = {"input": send("red")["id"], "values": {"typo": None}}
    assert refused(client.post("/local/annotations", json={"changes": [change]})) == (404, "not_found")
    assert client.get("/local/state").json()["concepts"] == []


# --- models ----------------------------------------------------------------------------------------------------------


def test_the_state_says_what_is_taught_and_which_version_answers(client, colours):
    state = client.get("/local/state").json()
    assert (state["inputs"], state["keyed"], state["backbone"]) == (len(colours), False, "fake")
    assert {one["id"]: (one["shown"], one["not_shown"]) for one in state["concepts"]} == {
        "red": (4, 0),
        "green": (4, 0),
    }
    (model,) = state["models"]
    assert (model["in_use"]["id"], model["newest"]["finished"], model["mutually_exclusive"]) == ("v1", True, True)


@pytest.mark.usefixtures("colours")
def test_a_picture_is_predicted_with_the_time_it_took(client, jpeg):
    headers = {"content-type": "image/jpeg"}
    found = client.post("/local/models/colours/predict", content=jpeg("red", 9), headers=headers).json()
    assert (found["prediction"]["concepts"][0]["id"], found["prediction"]["is_known"]) == ("red", True)
    assert found["milliseconds"] > 0
    assert refused(client.post("/local/models/none/predict", content=b"", headers=headers)) == (404, "not_found")


@pytest.mark.usefixtures("colours")
def test_versions_are_rolled_back_and_trained_again(client):
    assert trained(client, "colours")["id"] == "v2"
    rolled = client.post("/local/models/colours/rollback", json={"version": "v1"}).json()["model"]
    assert (rolled["in_use"]["id"], rolled["pinned_version"]) == ("v1", "v1")
    shown = client.get("/local/models/colours").json()
    assert [one["id"] for one in shown["versions"]] == ["v2", "v1"]
    assert refused(client.post("/local/models/colours/rollback", json={"version": "v9"})) == (404, "not_found")


def test_a_training_that_cannot_work_says_why(client):
    client.post("/local/models", json={"name": "m", "concepts": ["a"]})
    version = trained(client, "m")
    assert version["status"] == "MODEL_TRAINING_FAILED"
    assert "no picture shows" in version["reason"]


@pytest.mark.usefixtures("colours")
def test_models_gain_and_lose_concepts_and_concepts_change_their_names(client):
    changed = client.patch("/local/models/colours", json={"add": ["blue"], "remove": ["green"]}).json()["model"]
    assert changed["concepts"] == ["red", "blue"]
    assert client.post("/local/rename", json={"concept": "red", "name": "Rot"}).json()["concept"]["name"] == "Rot"
    assert refused(client.post("/local/models", json={"name": "colours", "concepts": ["a"]})) == (409, "conflict")
    assert client.delete("/local/models/colours").status_code == 200
    assert client.get("/local/state").json()["models"] == []


# --- looking after it ------------------------------------------------------------------------------------------------


def test_a_review_brings_the_records_of_the_pictures_it_speaks_of(client, send, colours):
    wrong = send("red", 30, show="green")["id"]
    unsaid = send("green", 31)["id"]
    found = client.get("/local/models/colours/review").json()
    assert wrong in {one["input_id"] for one in found["suspects"]}
    assert {one["input"]["id"] for one in found["uncertain"]["inputs"]} == {unsaid}
    assert all(id in found["inputs"] for one in found["suspects"] for id in (one["input_id"], *one["nearest"]))
    assert found["next"]
    assert len(colours) == 8


def test_the_pictures_behind_a_confusion_are_named(client, send, colours):
    wrong = send("red", 30, show="green")["id"]
    found = client.get("/local/models/colours/confusions").json()
    (cell,) = [one for one in found["cells"] if (one["concept"], one["outcome"]) == ("green", "red")]
    assert (cell["inputs"], found["concepts"], found["missing"]) == ([wrong], ["red", "green"], None)
    assert len(colours) == 8


def test_what_cannot_be_trained_yet_has_a_review_and_a_reason_for_no_confusions(client):
    client.post("/local/models", json={"name": "m", "concepts": ["a", "b"], "mutually_exclusive": True})
    assert "no picture shows" in client.get("/local/models/m/confusions").json()["missing"]
    assert client.get("/local/models/m/review").json()["suspects"] == []


# --- files to take home ----------------------------------------------------------------------------------------------


def test_pictures_and_annotations_come_as_a_zip_by_a_link_that_works_once(client, send):
    one, two = send("red", 1, show="red"), send("green", 2, name="=cmd.jpg")
    link = client.post("/local/export", json={}).json()["url"]
    with zipfile.ZipFile(io.BytesIO(client.get(link).content)) as archive:
        assert archive.testzip() is None
        names = {f"pictures/{id}.jpg" for id in (one["id"], two["id"])}
        assert set(archive.namelist()) == {*names, "annotations.csv"}
        rows = list(csv.DictReader(io.StringIO(archive.read("annotations.csv").decode())))
    assert {(row["concept"], row["value"], row["source"]) for row in rows} == {
        ("red", "1", one["source"]),
        ("", "", "upload/=cmd.jpg"),
    }
    assert refused(client.get(link)) == (404, "not_found")


def test_pictures_that_came_before_a_zip_can_say_are_exported_too(engine, blob):
    engine.store.inputs._clock = lambda: datetime(1970, 1, 1, tzinfo=UTC)  # a board without a battery
    engine.add(blob("red"))
    data = b"".join(archive(engine, Filter(), None))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.infolist()[0].date_time[0] == 1980


def test_only_what_was_chosen_or_filtered_is_exported(client, send):
    one = send("red", 1, show="red")["id"]
    send("green", 2, show="green")
    for request in ({"json": {"inputs": [one]}}, {"json": {}, "params": {"concept": "red", "state": "shown"}}):
        link = client.post("/local/export", **request).json()["url"]
        with zipfile.ZipFile(io.BytesIO(client.get(link).content)) as archive:
            assert set(archive.namelist()) == {f"pictures/{one}.jpg", "annotations.csv"}


def test_a_link_needs_no_key_but_cannot_be_guessed_or_made_without_one(client, keys):
    keys.create("phone")
    assert refused(client.post("/local/export", json={})) == (401, "key")
    assert refused(client.get("/local/download/guess")) == (404, "not_found")


def test_links_grow_old_and_take_their_files_with_them():
    now = [0.0]
    tickets = Tickets(lambda: now[0])
    path = tickets.path()
    path.write_bytes(b"x")
    link = tickets.promise(Download("a.tflite", "application/octet-stream", path=path))
    now[0] = 301
    with pytest.raises(KeyError, match="too old"):
        tickets.redeem(link.rpartition("/")[2])
    assert not path.exists()


@pytest.mark.usefixtures("colours")
def test_what_cannot_be_exported_says_so_before_there_is_a_link(client):
    answer = client.post("/local/models/colours/export", json={})
    assert refused(answer) == (400, "invalid_argument")


def test_a_fused_model_is_downloaded_under_its_name(real_engine, photographs):
    from starlette.testclient import TestClient

    from edge.faces.api.core import Core
    from edge.faces.api.keys import Keys
    from edge.faces.api.rest import application

    real_engine.add(photographs / "taught", from_folders=True)
    real_engine.create_model("Böden 1", ["brick", "grass"], mutually_exclusive=True).train().wait()
    app = application(Core(real_engine, Options()), Keys(real_engine.store.path), Options())
    client = TestClient(app, "http://127.0.0.1:8080", client=("127.0.0.1", 1))
    made = client.post("/local/models/Böden 1/export", json={}).json()
    answer = client.get(made["url"])
    assert answer.content[4:8] == b"TFL3"
    assert len(answer.content) == made["size"]
    assert "filename*=UTF-8''B%C3%B6den%201-v1.tflite" in answer.headers["content-disposition"]
