"""curl, a page that a browser opened from disk, and gRPC on the port that Java's client is nailed to."""

import base64
import json
import os
import socket
import subprocess
import time

import pytest

from tests.faces.api.clients.conftest import FOLDER

pytestmark = pytest.mark.clients

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture
def curl():
    """``curl(device, "-X", "POST", "/v2/inputs", ...)``: the JSON that curl prints."""

    def run(device, *arguments):
        trusted = [] if device.ca is None else ["--cacert", str(device.ca)]
        *options, path = arguments
        command = ["curl", "-sS", "--max-time", "30", *trusted, "-H", f"Authorization: Key {device.key}", *options]
        done = subprocess.run([*command, device.url + path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def picture(garden, name, **concept):
    lines = base64.encodebytes((garden / f"{name}.png").read_bytes()).decode()
    said = [{"id": id, "value": value} for id, value in concept.items()]
    return {"data": {"image": {"base64": lines}, "concepts": said}}


@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["plain", "tls"])
def test_curl_adds_creates_trains_without_a_body_waits_and_predicts(serve, curl, garden, tmp_path, options):
    device = serve(*options)
    pictures = [picture(garden, f"red-{number}", red=1) for number in range(4)]
    pictures += [picture(garden, f"green-{number}", red=0) for number in range(4)]
    (tmp_path / "inputs.json").write_text(json.dumps({"inputs": pictures}))
    below = "/v2/users/someone/apps/garden"
    sent = curl(device, "-X", "POST", "--data-binary", f"@{tmp_path}/inputs.json", f"{below}/inputs")
    assert [one["status"]["code"] for one in sent["inputs"]] == [30000] * 8
    model = {"id": "reds", "output_info": {"data": {"concepts": [{"id": "red"}]}}}
    made = curl(device, "-X", "POST", "-d", json.dumps({"model": model}), f"{below}/models")
    assert made["model"]["model_version"]["status"]["code"] == 21102
    curl(device, "-X", "POST", f"{below}/models/reds/versions")
    deadline = time.monotonic() + 60
    while curl(device, f"{below}/models/reds")["model"]["model_version"]["status"]["code"] != 21100:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    asked = json.dumps({"inputs": [{"data": {"image": {"url": f"{FOLDER}/red-9.png"}}}]})
    found = curl(device, "-X", "POST", "-d", asked, f"{below}/models/reds/outputs")
    (concept,) = found["outputs"][0]["data"]["concepts"]
    assert concept["name"] == "red"
    assert concept["value"] > 0.5


def test_curl_without_the_devices_authority_does_not_talk_to_it(serve):
    device = serve("--tls")
    done = subprocess.run(["curl", "-sS", f"{device.url}/healthz"], capture_output=True, text=True, check=False)
    assert done.returncode == 60  # the certificate cannot be verified


def test_the_authority_can_be_fetched_without_a_key(serve):
    device = serve("--tls")
    command = ["curl", "-sS", "--insecure", f"{device.url}/ca.pem"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == device.ca.read_bytes()


def test_a_page_that_a_browser_opened_from_disk_asks_with_fetch(serve, tmp_path):
    from playwright.sync_api import sync_playwright

    device = serve()
    page_file = tmp_path / "page.html"
    body = json.dumps({"user_app_id": {"user_id": "someone", "app_id": "garden"}, "model": {"id": "reds"}})
    page_file.write_text(
        f"""<!doctype html><title>waits</title><script>
        fetch({json.dumps(device.url + "/v2/models")}, {{
          method: "POST",
          headers: {{Accept: "application/json", Authorization: "Key {device.key}"}},
          body: {json.dumps(body)},
        }}).then(answer => answer.json()).then(said => {{
          document.title = said.status.code + " " + said.model.model_version.status.code;
        }}).catch(error => {{ document.title = "failed: " + error; }});
        </script>"""
    )
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page()
        page.goto(page_file.as_uri())
        page.wait_for_function("document.title != 'waits'", timeout=30_000)
        title = page.title()
        browser.close()
    assert title == "10000 21102"


def test_grpc_can_listen_on_the_port_that_the_java_client_is_nailed_to(serve, python):
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.43", 443))
        except PermissionError:
            if os.environ.get("CI"):
                raise
            pytest.skip("ports below 1024 need root here")
    device = serve("--tls", "--host", "127.0.0.43", "--grpc-port", "443")
    environment = {
        "CLARIFAI_PAT": device.key,
        "CLARIFAI_GRPC_BASE": "127.0.0.43",  # without a port, which for TLS is 443
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": device.ca,
    }
    assert python("latest", "documented.py", "grpc", "2022", FOLDER, **environment)["red"]["red"] > 0.5
