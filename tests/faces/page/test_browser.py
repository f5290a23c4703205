"""The page in a real Chromium: what a person with a phone, a desktop, a keyboard or bad intentions can do."""

from __future__ import annotations

import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.faces.page.conftest import DESKTOP, PHONE

pytestmark = pytest.mark.browser
SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


def teach(page, concept, paths):
    """Names a concept, if it is not there, and gives it pictures from files."""
    option = page.get_by_role("radio", name=re.compile(rf"^{concept} \d+$"))
    if option.count() == 0:
        page.get_by_label("Name of a new concept").fill(concept)
        page.get_by_role("button", name="Add this concept").click()
    else:
        option.locator("xpath=..").click()
    page.locator("#files").set_input_files(paths)
    expect(page.locator(".toast", has_text=f"{concept}: {len(paths)} pictures stored")).to_be_visible()


def open_view(page, name):
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def fits(page):
    """Whether nothing of the page lies beyond the right edge of the screen."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture
def colours(engine, blob):
    """A trained model of two concepts, with one picture annotated wrongly and one not at all."""
    for colour in ("red", "green"):
        engine.add([blob(colour, seed) for seed in range(6)], concepts=[colour])
    wrong = engine.add(blob("red", 30), concepts=["green"]).inputs[0]
    engine.add(blob("red", 31))
    engine.create_model("colours", ["red", "green"], mutually_exclusive=True).train().wait()
    return wrong.id


# --- the whole way ---------------------------------------------------------------------------------------------------


@SIZES
def test_two_concepts_are_taught_from_files_trained_and_seen_by_the_camera(visit, files, engine, size):
    page = visit("teach", **size)
    expect(page.get_by_text("Nothing was taught yet")).to_be_visible()
    teach(page, "red", files("red", range(5)))
    teach(page, "green", files("green", range(5)))
    assert page.locator(".tile").count() == 10
    assert fits(page)

    open_view(page, "Train")
    page.get_by_label("Name", exact=True).fill("colours")
    page.get_by_role("button", name="Make and train").click()
    expect(page.get_by_text("100 %").first).to_be_visible()
    assert engine.model("colours").info.mutually_exclusive
    assert fits(page)

    open_view(page, "Live")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".known")).to_contain_text("Resembles what was taught")
    expect(page.locator(".bars .best")).to_contain_text("red")
    expect(page.locator(".rate")).to_contain_text("pictures a second")
    assert fits(page)
    page.get_by_role("button", name="Stop").click()


@SIZES
def test_a_suspect_is_corrected_and_the_correction_taken_back(visit, colours, engine, size):
    def said():
        return {one.concept_id: one.value for one in engine.input(colours).annotations}

    page = visit("review", **size)
    case = page.locator(f'.case[data-input="{colours}"]').first
    expect(case).to_contain_text("said to show green")
    case.get_by_role("button", name="Is red").click()
    expect(case).to_contain_text("Corrected")
    assert said() == {"red": 1}
    page.get_by_role("button", name="Undo").click()
    expect(case).to_contain_text("said to show green")
    assert said() == {"green": 1}
    assert fits(page)


@SIZES
def test_training_again_says_what_changed_and_one_tap_rolls_it_back(visit, colours, engine, size):
    engine.annotate(colours, ["red"], clear=["green"])
    page = visit("train", **size)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("v2 is trained and in use")).to_be_visible()
    changed = page.locator(".card", has_text="What changed from v1 to v2")
    expect(changed).to_contain_text(re.compile(r"\+\d+ points accuracy, \d+\s% to 100\s%"))
    expect(changed).to_contain_text("95 % interval of the difference")
    page.get_by_role("button", name="Use v1").click()
    expect(page.get_by_text("v1 is in use until")).to_be_visible()
    assert engine.model("colours").in_use.id == "v1"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Use v1")).to_be_visible()
    assert engine.model("colours").in_use.id == "v2"
    assert fits(page)


# --- teach -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("colours")
def test_holding_the_shutter_collects_a_burst_and_a_press_takes_one(visit, engine):
    page = visit("teach", **PHONE)
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_text("do not show it").click()
    shutter = page.get_by_role("button", name=re.compile("Take a picture"))
    expect(shutter).to_be_focused()
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    box = shutter.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    expect(page.locator(".count")).to_have_text(re.compile(r"^([3-9]|\d\d)$"))
    page.mouse.up()
    expect(page.locator(".toast")).to_contain_text(re.compile(r"Not red: \d+ pictures stored"))
    # the film stands still: frames may be the same bytes, and then they are one input
    taken = [one for one in engine.inputs() if one.source == "camera"]
    assert taken
    assert all({each.concept_id: each.value for each in one.annotations} == {"red": 0} for one in taken)


@pytest.mark.usefixtures("colours")
def test_one_tap_changes_what_is_said_of_a_recent_picture_and_another_takes_it_back(visit, engine):
    page = visit("teach", **PHONE)
    (silent,) = engine.inputs(unlabelled=True)
    tile = page.locator(f'.tile[data-input="{silent.id}"]')
    tile.get_by_role("button", name="Shows red", exact=True).click()
    expect(tile.get_by_role("button", name="Shows red", exact=True)).to_have_attribute("aria-pressed", "true")
    assert [one.concept_id for one in engine.input(silent.id).annotations] == ["red"]
    page.get_by_role("button", name="Undo").click()
    expect(tile.get_by_role("button", name="Shows red", exact=True)).to_have_attribute("aria-pressed", "false")
    assert engine.input(silent.id).annotations == ()


def test_files_are_dropped_and_what_is_no_picture_is_said(visit, jpeg, engine):
    page = visit("teach", expect=["400"])
    page.get_by_label("Name of a new concept").fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="red 0")).to_be_checked()
    page.evaluate(
        """([bytes, words]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "red.jpg", {type: "image/jpeg"}));
            data.items.add(new File([words], "letter.jpg", {type: "image/jpeg"}));
            document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        [list(jpeg("red")), "Dear Sir"],
    )
    expect(page.locator(".uploads")).to_contain_text("1 picture refused")
    expect(page.locator(".uploads")).to_contain_text("letter.jpg")
    assert [one.source for one in engine.inputs()] == ["upload/red.jpg"]


def test_without_a_secure_page_the_camera_falls_back_to_photographs_and_says_why(visit, chromium, address):
    context = chromium.new_context(**PHONE)
    try:
        context.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
        page = context.new_page()
        page.goto(f"{address}/#teach")
        expect(page.get_by_text("edge serve --tls")).to_be_visible()
        expect(page.get_by_role("button", name="Start the camera")).to_be_hidden()
        assert page.get_by_label("Take a photograph").first.get_attribute("capture") == "environment"
    finally:
        context.close()
    assert visit


# --- live ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("colours")
def test_what_nobody_taught_is_told_plainly(visit, files):
    page = visit("live", **PHONE)
    page.get_by_label("Ask about a picture").set_input_files(files("blue", [1]))
    expect(page.locator(".known")).to_contain_text("Resembles nothing that was taught")
    page.get_by_label("Ask about a picture").set_input_files(files("green", [90]))
    expect(page.locator(".known")).to_contain_text("Resembles what was taught")
    expect(page.locator(".bars .best")).to_contain_text("green")


# --- review ----------------------------------------------------------------------------------------------------------


def test_a_number_of_the_matrix_opens_its_pictures(visit, colours):
    page = visit("review")
    page.get_by_role("button", name="1 that show green, answered red").click()
    expect(page.locator(f'.detail .tile[data-input="{colours}"]')).to_be_visible()


@pytest.mark.usefixtures("colours")
def test_a_picture_that_would_teach_most_is_taught(visit, engine):
    page = visit("review")
    (silent,) = engine.inputs(unlabelled=True)
    case = page.locator(f'.case[data-input="{silent.id}"]')
    case.get_by_role("button", name="Is red").click()
    expect(case).to_contain_text("Taught")
    assert [one.concept_id for one in engine.input(silent.id).annotations] == ["red"]


def test_a_suspect_that_is_right_is_not_listed_again(visit, colours):
    page = visit("review")
    case = page.locator(f'.case[data-input="{colours}"]')
    case.get_by_role("button", name="It is right").click()
    expect(case).to_contain_text("Kept as it is")
    page.reload()
    expect(page.locator(".matrix")).to_be_visible()
    assert page.locator(f'.case[data-input="{colours}"]').count() == 0


# --- library ---------------------------------------------------------------------------------------------------------


@SIZES
@pytest.mark.usefixtures("colours")
def test_pictures_are_filtered_chosen_and_annotated_together(visit, engine, size):
    page = visit("library", **size)
    expect(page.get_by_text("14 pictures")).to_be_visible()
    page.get_by_role("combobox", name="Concept", exact=True).select_option("green")
    page.get_by_role("combobox", name="Annotation").select_option("shown")
    expect(page.get_by_text("7 pictures")).to_be_visible()
    page.get_by_role("button", name="Choose all").click()
    toolbar = page.get_by_role("toolbar")
    toolbar.get_by_label("Concept").select_option("red")
    toolbar.get_by_role("button", name="Does not show").click()
    expect(page.get_by_text("7 pictures: does not show")).to_be_visible()
    assert engine.store.inputs.concept_counts()["red"] == (6, 7)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back")).to_be_visible()
    assert engine.store.inputs.concept_counts()["red"] == (6, 0)
    assert fits(page)


@pytest.mark.usefixtures("colours")
def test_removed_pictures_are_found_and_brought_back(visit, engine):
    page = visit("library")
    page.locator(".pick input").first.check()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("13 pictures")).to_be_visible()
    page.get_by_role("combobox", name="Annotation").select_option("removed")
    expect(page.get_by_text("1 picture", exact=True)).to_be_visible()
    page.locator(".pick input").first.check()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("No picture is like that")).to_be_visible()
    assert len(engine.inputs()) == 14


@pytest.mark.usefixtures("colours")
def test_an_export_is_saved_as_a_file(visit, tmp_path):
    page = visit("library")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export all").click()
    saved.value.save_as(tmp_path / "all.zip")
    assert saved.value.suggested_filename == "edge-pictures.zip"
    assert len(zipfile.ZipFile(tmp_path / "all.zip").namelist()) == 15


# --- models ----------------------------------------------------------------------------------------------------------


@SIZES
@pytest.mark.usefixtures("colours")
def test_a_model_is_changed_and_deleted_after_a_question(visit, engine, size):
    page = visit("models", **size)
    page.get_by_label("New concept of colours").fill("blue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Leave out blue")).to_be_visible()
    page.get_by_role("button", name="Rename red").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Rot")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("button", name="Rename Rot")).to_be_visible()
    assert [one.name for one in engine.concepts()] == ["blue", "green", "Rot"]
    assert fits(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert len(engine.models()) == 1
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("section.model")).to_have_count(0)
    assert engine.models() == []


# --- strangers and keys ----------------------------------------------------------------------------------------------

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


# --- without a mouse -------------------------------------------------------------------------------------------------


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
