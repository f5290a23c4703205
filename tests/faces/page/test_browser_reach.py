"""The page in a real Chromium: without a mouse, with large fingers, in light and dark."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.faces.page.conftest import DESKTOP, SIZES, open_view

pytestmark = pytest.mark.browser


def tab_to(page, wanted):
    """Presses Tab until the focus is on what is ``wanted``, a JavaScript condition on the element ``e``."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const e = document.activeElement; return Boolean({wanted}); }})()"):
            return
    pytest.fail(f"Tab never comes to {wanted}")


@pytest.mark.usefixtures("colours")
def test_a_change_leaves_the_focus_where_it_was_and_what_was_being_typed(visit, files):
    page = visit("teach")
    button = page.locator(".tile").first.get_by_role("button", name="Shows red", exact=True)
    button.focus()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    field = page.get_by_label("Name of a new concept")
    field.fill("yel")
    page.locator("#files").set_input_files(files("red", range(50, 52)))
    expect(page.get_by_role("radio", name="red 9")).to_be_checked()
    expect(field).to_have_value("yel")


def test_a_picture_is_looked_at_closely_and_put_away_again(visit, colours):
    page = visit("library")
    page.locator(f'.pick[data-input="{colours}"] .look').click()
    expect(page.get_by_role("dialog")).to_contain_text(colours)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.usefixtures("colours")
def test_the_keyboard_alone_teaches_trains_and_rolls_back(visit, engine):
    page = visit("teach")
    expect(page.locator(".tile").first).to_be_visible()
    tab_to(page, "e.type === 'radio' && e.name === 'concept'")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="green 7")).to_be_checked()
    expect(page.get_by_role("radio", name="green 7")).to_be_focused()
    tab_to(page, "e.textContent.includes('Start the camera')")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("Take a picture"))).to_be_focused()
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    page.keyboard.press("Space")
    expect(page.locator(".toast", has_text="green: 1 picture stored")).to_be_visible()
    assert len(engine.inputs(concept="green")) == 8

    tab_to(page, "e.getAttribute('href') === '#train'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Train")).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    tab_to(page, "e.textContent === 'Train' && e.tagName === 'BUTTON'")
    page.keyboard.press("Enter")
    expect(page.get_by_text("v2 is trained and in use")).to_be_visible()
    tab_to(page, "e.getAttribute('aria-label') === 'Use v1'")
    page.keyboard.press("Enter")
    expect(page.get_by_text("v1 is in use until")).to_be_visible()
    assert engine.model("colours").in_use.id == "v1"


@SIZES
@pytest.mark.usefixtures("colours")
def test_everything_to_press_has_a_name_and_is_large_enough_for_a_finger(visit, size):
    page = visit("teach", **size)
    for view in ("Teach", "Live", "Train", "Review", "Library", "Models"):
        open_view(page, view)
        if view == "Review":
            expect(page.locator(".matrix")).to_be_visible()
        page.wait_for_load_state("networkidle")
        found = page.evaluate(
            """() => [...document.querySelectorAll("button, a[href], select, input:not(.hidden)")].flatMap((e) => {
                const box = e.getBoundingClientRect();
                if (!box.width || e.closest(".skip, .option, .check")) return [];
                const target = e.type === "checkbox" ? e.closest("label").getBoundingClientRect() : box;
                const name = e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length);
                const fits = target.height >= 32 && target.width >= 32;
                return name && fits ? [] : [`${view_}: ${e.outerHTML.slice(0, 120)} ${target.width}x${target.height}`];
            })""".replace("${view_}", view)
        )
        assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("colours")
def test_words_stand_out_from_what_is_behind_them(visit, scheme):
    page = visit("train", **{**DESKTOP, "color_scheme": scheme})
    for view in ("Teach", "Train", "Review", "Library", "Models"):
        open_view(page, view)
        if view == "Review":
            expect(page.locator(".matrix")).to_be_visible()
        weak = json.loads(page.evaluate(_CONTRAST))
        assert weak == []


# WCAG 2.2, success criterion 1.4.3: 4.5 to 1; colours behind are those of the nearest ancestor that has one
_CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (e) => {
    const layers = [];
    for (let one = e; one; one = one.parentElement) {
      const c = parse(getComputedStyle(one).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, c) => under.map((v, at) => v * (1 - c[3]) + c[at] * c[3]), [255, 255, 255]);
  };
  const weak = [];
  for (const e of document.querySelectorAll("main *, nav *, header *")) {
    const words = [...e.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!words || e.tagName === "OPTION" || !e.getClientRects().length || e.closest(".finder")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(`${e.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return JSON.stringify(weak);
}"""
