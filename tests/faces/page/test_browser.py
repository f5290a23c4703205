"""The page in a real Chromium: what a person with a phone or a desktop can do, view by view."""

from __future__ import annotations

import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.faces.page.conftest import PHONE, SIZES, fits, open_view

pytestmark = pytest.mark.browser


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
    expect(case).to_contain_text("It is right")
    page.evaluate("() => localStorage.clear()")
    page.reload()
    expect(page.locator(".matrix")).to_be_visible()
    assert page.locator(f'.case[data-input="{colours}"]').count() == 0


def test_that_a_suspect_is_right_can_be_taken_back(visit, colours):
    page = visit("review")
    case = page.locator(f'.case[data-input="{colours}"]')
    case.get_by_role("button", name="It is right").click()
    page.get_by_role("button", name="Undo").click()
    expect(case.get_by_role("button", name="It is right")).to_be_visible()
    page.reload()
    expect(page.locator(f'.case[data-input="{colours}"]')).to_be_visible()


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
