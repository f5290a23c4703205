"""The page in a real Chromium: names made to break it, and keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.faces.page.conftest import SIZES, fits, open_view

pytestmark = pytest.mark.browser

HOSTILE = [
    "<img src=x onerror=document.title='owned'>",
    "<script>document.title='owned'<",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "عربى \u202e‮ evil",
    "W" * 128,
    "__proto__",
    "constructor",
    "a'b\"c&amp;<b>",
]


@SIZES
def test_names_made_to_break_the_page_are_only_names(visit, engine, blob, size):
    names = [one.replace("/", "∕") for one in HOSTILE]
    for seed, name in enumerate(names):
        engine.add([blob("red", 10 * seed + some) for some in range(2)], concepts=[name])
    engine.create_model("<b>m</b>".replace("/", "∕"), names, mutually_exclusive=True).train().wait()
    page = visit("teach", **size)
    dialogs = []
    page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss()))
    for view in ("Teach", "Live", "Train", "Review", "Library", "Models"):
        open_view(page, view)
        if view == "Review":
            expect(page.locator(".matrix")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert (
            page.locator(
                "main script, main [onerror], main [onload], main b:not(.interval b), main svg[onload]"
            ).count()
            == 0
        )
        assert fits(page), view
    open_view(page, "Teach")
    for name in ("__proto__", "constructor"):
        page.locator(".option", has_text=name).first.click()
        tile = page.locator(".tile").first
        tile.get_by_role("button", name=f"Shows {name}", exact=True).click()
        expect(tile.get_by_role("button", name=f"Shows {name}", exact=True)).to_have_attribute("aria-pressed", "true")
        shown = [one.concept_id for one in engine.input(tile.get_attribute("data-input")).annotations if one.value]
        assert shown == [name]
    open_view(page, "Models")
    expect(page.locator(".concept bdi", has_text="<script>")).to_have_text(names[1])
    assert page.locator(".concept").count() == len(names)
    assert "owned" not in page.title()
    assert dialogs == []


def test_the_key_is_asked_for_once_and_kept(visit, keys, engine, blob):
    engine.add(blob("red"), concepts=["red"])
    _, secret = keys.create("phone")
    page = visit("teach", expect=["401"])
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_contain_text("not accepted")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Key").fill(secret)
    page.keyboard.press("Enter")
    expect(page.locator(".tile img[src^='blob:']")).to_be_visible()
    page.reload()
    expect(page.locator(".tile img[src^='blob:']")).to_be_visible()
    assert not dialog.is_visible()


def test_a_key_that_may_only_read_is_told_so(visit, keys, colours, engine):
    _, secret = keys.create("guest", ["read"])
    page = visit("teach", expect=["401", "403"])
    page.get_by_role("dialog").get_by_label("Key").fill(secret)
    page.keyboard.press("Enter")
    page.locator(f'.tile[data-input="{colours}"]').get_by_role("button", name="Shows red").click()
    expect(page.locator(".toast.bad")).to_contain_text("may not write")
    assert [one.concept_id for one in engine.input(colours).annotations] == ["green"]
