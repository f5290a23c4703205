"""The device's own camera on the page, and a model's settings."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from edge.faces.api.options import Options
from tests.faces.page.conftest import PHONE, SIZES, fits

pytestmark = pytest.mark.browser


@pytest.fixture
def options():
    return Options(cameras={"gate": "fake://?fps=20&width=320&height=240", "barn": "fake://?fault=missing"})


@SIZES
@pytest.mark.usefixtures("colours")
def test_the_devices_camera_is_seen_and_taught_from(visit, engine, size):
    page = visit("teach", **size)
    page.get_by_role("button", name="Device: gate").click()
    page.wait_for_function("() => document.querySelector('.finder img:not([hidden])')?.naturalWidth === 320")
    page.get_by_role("button", name=re.compile("Take a picture")).click()
    expect(page.locator(".toast")).to_contain_text("1 picture stored")
    taken = [one for one in engine.inputs() if one.source == "camera"]
    assert [(one.width, one.height) for one in taken] == [(320, 240)]
    assert fits(page)


@pytest.mark.usefixtures("colours")
def test_predictions_run_on_the_devices_camera(visit):
    page = visit("live", **PHONE)
    page.get_by_role("button", name="Device: gate").click()
    expect(page.locator(".rate")).to_contain_text("pictures a second")
    assert fits(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Device: gate")).to_be_visible()


@pytest.mark.usefixtures("colours")
def test_a_camera_that_is_not_there_says_so_and_another_can_be_chosen(visit, monkeypatch):
    monkeypatch.setattr("edge.faces.page.cameras._WAIT", 0.2)
    page = visit("teach", expect=["503"])
    page.get_by_role("button", name="Device: barn").click()
    expect(page.locator(".finder .prompt")).to_contain_text("gives no picture")
    page.get_by_role("button", name="Device: gate").click()
    page.wait_for_function("() => document.querySelector('.finder img:not([hidden])')?.naturalWidth === 320")
    page.get_by_role("button", name="Another camera").click()
    expect(page.get_by_role("button", name="Device: barn")).to_be_visible()


@pytest.mark.usefixtures("colours")
def test_a_models_settings_are_changed_with_one_tap(visit, engine):
    page = visit("models", **PHONE)
    box = page.get_by_role("checkbox", name=re.compile("Every picture shows one of them")).first
    before = engine.model("colours").info
    box.click()
    expect(page.locator(".toast")).to_contain_text("Train it again")
    assert engine.model("colours").info.closed_environment != before.closed_environment
    assert fits(page)
