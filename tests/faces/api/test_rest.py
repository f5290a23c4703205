"""HTTP in front of the core: routing, bodies, headers, rules about hosts."""

import json

import pytest

from edge.faces.api.options import Options


def code(response):
    return response.status_code, response.json()["status"]["code"]


def test_every_path_exists_with_and_without_user_and_app(client):
    for prefix in ("/v2", "/v2/users/me/apps/main", "//v2", "//v2/users/a/apps/b"):
        assert code(client.get(f"http://127.0.0.1:8080{prefix}/inputs")) == (200, 10000)


def test_ids_of_the_path_are_echoed_and_win_over_those_of_the_body(client):
    body = {"user_app_id": {"user_id": "x", "app_id": "y"}, "model": {"id": "m"}}
    model = client.post("/v2/users/u/apps/a/models", json=body).json()["model"]
    assert (model["user_id"], model["app_id"]) == ("u", "a")


def test_an_id_may_hold_percent_encoded_characters(client):
    client.post("/v2/models", json={"model": {"id": "größe 1%"}})
    assert client.get("/v2/models/gr%C3%B6%C3%9Fe%201%25").json()["model"]["id"] == "größe 1%"
    assert code(client.get("/v2/models/%2e%2e%2f%2e%2e%2fetc")) == (404, 21200)


def test_the_count_of_inputs_is_no_input(client):
    assert client.get("/v2/inputs/status").json()["counts"]["processed"] == 0


def test_json_is_read_whatever_the_content_type(client):
    answer = client.post("/v2/models", content='{"model": {"id": "m"}}', headers={"content-type": "text/plain"})
    assert code(answer) == (200, 10000)


def test_a_post_without_a_body_is_an_empty_object(client, item):
    client.post("/v2/inputs", json={"inputs": [item("red", 1, {"red": 1}), item("green", 1, {"red": 0})]})
    client.post("/v2/models", json={"model": {"id": "m"}})
    assert code(client.post("/v2/models/m/versions")) == (200, 10000)


def test_line_breaks_inside_base64_are_read(client, item):
    one = item()
    text = one["data"]["image"]["base64"]
    broken = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    body = json.dumps({"inputs": [one]}).replace(text, broken)
    assert code(client.post("/v2/inputs", content=body)) == (200, 10000)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b'"text"'],
)
def test_what_is_no_object_of_json_is_refused(client, body):
    assert code(client.post("/v2/inputs", content=body)) == (400, 11100)


def test_unknown_paths_and_wrong_methods_are_told_apart(client):
    assert code(client.get("/v2/nothing")) == (404, 11101)
    assert code(client.put("/v2/inputs")) == (405, 11103)
    assert code(client.get("/v2/" + "a/" * 5000)) == (404, 11101)


@pytest.mark.parametrize("path", ["/v2/inputs", "/v2/models/nobody", "/healthz", "/"])
def test_head_is_get_without_its_body(client, path):
    asked, got = client.head(path), client.get(path)
    assert asked.status_code == got.status_code
    assert asked.headers["content-type"] == got.headers["content-type"]


def test_a_query_that_is_no_utf8_is_refused(client):
    assert code(client.get("/v2/inputs?page=%ff")) == (400, 11100)


def test_every_answer_has_its_id_in_body_header_and_log(client, log):
    answer = client.get("/v2/inputs")
    id = answer.json()["status"]["req_id"]
    assert len(id) == 32
    assert answer.headers["x-request-id"] == id == log[-1]["id"]
    assert log[-1] | {"rpc": "ListInputs", "http": 200, "code": 10000, "from": "127.0.0.1"} == log[-1]


# --- without keys ----------------------------------------------------------------------------------------------------


def test_without_keys_other_hosts_are_refused(client):
    assert client.get("/v2/inputs", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/v2/inputs", headers={"host": "localhost:9000"}).status_code == 200
    assert client.get("/v2/inputs", headers={"host": "[::1]:9000"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[", "x"])
def test_without_keys_other_pages_are_refused(client, origin):
    answer = client.post("/v2/models", json={"model": {"id": "m"}}, headers={"origin": origin})
    assert answer.status_code == 403
    assert client.get("/v2/models").json()["models"] == []


def test_without_keys_there_are_no_cors_headers(client):
    answer = client.get("/v2/inputs", headers={"origin": "http://127.0.0.1:8080"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_without_keys_other_machines_are_refused(core, keys, options):
    from starlette.testclient import TestClient

    from edge.faces.api.rest import application

    far = TestClient(application(core, keys, options), "http://127.0.0.1", client=("192.0.2.7", 1))
    assert code(far.get("/v2/inputs")) == (401, 11008)


# --- with keys -------------------------------------------------------------------------------------------------------


def test_with_keys_a_key_is_needed(client, keys):
    _, secret = keys.create("phone")
    assert code(client.get("/v2/inputs")) == (401, 11008)
    assert code(client.get("/v2/inputs", headers={"authorization": "Key wrong"})) == (401, 11008)
    assert code(client.get("/v2/nothing")) == (401, 11008)
    assert code(client.get("/v2/inputs", headers={"authorization": f"Key {secret}"})) == (200, 10000)
    assert client.get("/metrics").status_code == 401
    assert client.get("/openapi.json").status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_revoked_key_opens_nothing_and_nothing_opens_without_one(client, keys):
    _, secret = keys.create("phone")
    keys.revoke("phone")
    assert code(client.get("/v2/inputs", headers={"authorization": f"Key {secret}"})) == (401, 11008)
    assert code(client.get("/v2/inputs")) == (401, 11008)


def test_a_key_does_only_what_its_scopes_say(client, keys):
    _, secret = keys.create("reader", ["read"])
    headers = {"authorization": f"Key {secret}"}
    assert code(client.get("/v2/models", headers=headers)) == (200, 10000)
    assert code(client.post("/v2/models", json={"model": {"id": "m"}}, headers=headers)) == (403, 11007)


def test_with_keys_any_page_may_ask_and_the_preflight_needs_none(client, keys):
    _, secret = keys.create("page")
    asked = {
        "origin": "null",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, x-clarifai-request-id, x-evil",
    }
    preflight = client.options("/v2/inputs", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed and "x-clarifai-request-id" in allowed and "x-evil" not in allowed
    answer = client.get("/v2/inputs", headers={"origin": "null", "authorization": f"Key {secret}"})
    assert answer.headers["access-control-allow-origin"] == "*"


# --- limits ----------------------------------------------------------------------------------------------------------


class TestSmall:
    @pytest.fixture
    def options(self):
        return Options(max_body=1000, queue=2)

    def test_a_body_over_the_cap_is_refused_by_its_length(self, client):
        assert code(client.post("/v2/inputs", content=b"x" * 1001)) == (413, 40033)

    def test_a_body_over_the_cap_is_refused_while_it_comes(self, client):
        assert code(client.post("/v2/inputs", content=(b"x" * 500 for _ in range(5)))) == (413, 40033)

    def test_when_too_many_are_in_flight_clients_are_told_to_slow_down(self, client, core):
        assert core.gate.enter() and core.gate.enter()
        answer = client.get("/v2/inputs")
        assert code(answer) == (429, 11005)
        assert answer.headers["retry-after"] == "1"
        core.gate.leave()
        assert code(client.get("/v2/inputs")) == (200, 10000)


def test_the_gate_is_left_after_every_answer(client, core):
    client.get("/v2/inputs")
    client.post("/v2/inputs", content=b"{")
    client.post("/v2/inputs", content=(b"x" for _ in range(3)))
    assert core.gate.inside == 0


# --- about the service -----------------------------------------------------------------------------------------------


def test_health_is_told_and_a_closed_store_is_not_well(client, core):
    assert client.get("/healthz").json() == {"status": "ok"}
    core.engine.store.close()
    assert client.get("/healthz").status_code == 503


def test_metrics_count_answers_by_code(client):
    client.get("/v2/inputs")
    client.get("/v2/models/none")
    text = client.get("/metrics").text
    assert 'edge_requests_total{rpc="ListInputs",code="10000"} 1' in text
    assert 'edge_requests_total{rpc="GetModel",code="21200"} 1' in text
    assert "edge_requests_in_flight 0" in text


def test_a_fault_of_ours_is_told_without_where(client, core, monkeypatch, capsys):
    monkeypatch.setattr(core.engine.store.inputs, "page", lambda **_: 1 / 0)
    answer = client.get("/v2/inputs")
    assert code(answer) == (500, 99009)
    assert "ZeroDivision" not in answer.text and "Traceback" not in answer.text
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_wrong_method_is_told_which_there_are(client):
    assert client.put("/v2/inputs").headers["allow"] == "DELETE, GET, PATCH, POST"
    assert client.delete("/v2/inputs/status").headers["allow"] == "GET"


def test_an_id_may_hold_a_line_break_and_is_not_found(client):
    assert code(client.get("/v2/models/a%0Ab")) == (404, 21200)


def test_the_service_describes_every_path_it_has(client):
    from edge.faces.api.core import ROUTES, RPCS

    document = client.get("/openapi.json").json()
    for method, path, rpc in ROUTES:
        for prefix in ("/v2", "/v2/users/{user_id}/apps/{app_id}"):
            operation = document["paths"][prefix + path][method.lower()]
            assert operation["operationId"].startswith(rpc)
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    assert {rpc for _, _, rpc in ROUTES} == set(RPCS)
