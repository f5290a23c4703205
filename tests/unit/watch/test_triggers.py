"""When to look: each trigger over a clock and pictures that the test gives it."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from edge.camera.base import Capture
from edge.errors import HardwareMissing, InvalidArgument
from edge.watch.specs import spec
from edge.watch.triggers import Asked, Each, Gpio, Interval, Motion, grey


def capture(picture, number=1):
    if isinstance(picture, np.ndarray):
        out = io.BytesIO()
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
        picture = out.getvalue()
    return Capture(picture, 0.0, datetime(2026, 1, 1, tzinfo=UTC), number, "fake://")


# --- by the clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "asked", "fired"),
    [
        ("interval:2s", [0, 1, 1.9, 2, 2.1, 3.9, 4], [0, 2, 4]),
        ("interval:2s", [0, 9, 9.1, 9.9, 10], [0, 9, 10]),
        ("interval:500ms", [5, 5.4, 5.5, 5.6, 6.0], [5, 5.5, 6.0]),
        ("interval:1m", [0, 59, 61, 120], [0, 61, 120]),
        ("interval:3", [0, 3, 6], [0, 3, 6]),
    ],
)
def test_an_interval_fires_on_its_beat_and_makes_up_for_nothing(text, asked, fired):
    trigger = Interval(spec(text))
    assert [now for now in asked if trigger.due(now)] == fired


def test_an_interval_says_when_it_is_next_due():
    trigger = Interval(spec("interval:2s"))
    assert trigger.next(5.0) == 0.0
    trigger.due(5.0)
    assert trigger.next(5.5) == 1.5
    assert trigger.next(9.0) == 0.0


@pytest.mark.parametrize(("wait", "first"), [(3.0, 103.0), (10.0, 110.0), (0.0, 100.0), (-5.0, 100.0), (11.0, 100.0)])
def test_an_interval_goes_on_where_it_was_if_that_can_be(wait, first):
    trigger = Interval(spec("interval:10s"))
    trigger.resume(wait, 100.0)
    times = [now for now in np.arange(100.0, 125.0, 0.5) if trigger.due(now)]
    assert times[:2] == [first, first + 10]


@pytest.mark.parametrize("text", ["interval", "interval:0s", "interval:-1s", "interval:soon", "interval:2s?x=1"])
def test_an_interval_that_is_none_is_refused(text):
    with pytest.raises(InvalidArgument):
        Interval(spec(text))


# --- by the picture --------------------------------------------------------------------------------------------------


def scene(seed=0, height=240, width=320):
    """Something with edges and shades, as rooms have."""
    generator = np.random.default_rng(seed)
    blocks = generator.uniform(20, 200, (8, 8, 3))
    rows, columns = (np.arange(length) * 8 // length for length in (height, width))
    return blocks[rows][:, columns]


def with_box(picture, x, y, size=40):
    found = picture.copy()
    found[y : y + size, x : x + size] = (240, 20, 230)
    return found


def fires(trigger, pictures, step=0.2):
    """The numbers of the pictures at which it fires."""
    return [n for n, one in enumerate(pictures) if trigger.seen(capture(one, n + 1), n * step) is not None]


def test_each_fires_at_every_picture():
    assert fires(Each(spec("each")), [scene()] * 3) == [0, 1, 2]


def test_motion_fires_when_something_comes_and_is_quiet_for_its_cool_down():
    pictures = [scene()] * 5 + [with_box(scene(), 10 * n, 100) for n in range(20)]
    assert fires(Motion(spec("motion?cooldown=2s")), pictures) == [5, 15]


def test_motion_does_not_fire_for_noise():
    generator = np.random.default_rng(1)
    pictures = [scene() + generator.normal(0, 12, (240, 320, 3)) for _ in range(40)]
    assert fires(Motion(spec("motion")), pictures) == []


@pytest.mark.parametrize("gain", [0.6, 0.8, 1.15])
@pytest.mark.parametrize("offset", [0, 15])
def test_motion_does_not_fire_when_the_light_changes(gain, offset):
    pictures = [scene()] * 4 + [scene() * gain + offset] * 4
    assert fires(Motion(spec("motion")), pictures) == []


def test_motion_sees_what_comes_while_the_light_changes():
    pictures = [scene()] * 4 + [with_box(scene(), 100, 100) * 0.7] * 2
    assert fires(Motion(spec("motion")), pictures) == [4]


def test_motion_looks_at_its_region_only():
    pictures = [scene()] * 4 + [with_box(scene(), 20, 20)] * 2 + [with_box(scene(), 250, 150)] * 2
    assert fires(Motion(spec("motion?region=0.5,0.5,1,1&cooldown=0s")), pictures)[0] == 6


def test_motion_wants_as_much_of_the_picture_to_move_as_is_asked_for():
    pictures = [scene()] * 4 + [with_box(scene(), 100, 100)] * 4  # 2 % of it
    assert fires(Motion(spec("motion?area=0.01&cooldown=9s")), pictures) == [4]
    assert fires(Motion(spec("motion?area=0.05&cooldown=9s")), pictures) == []


def test_what_stands_still_long_enough_becomes_part_of_the_background():
    pictures = [scene()] * 4 + [with_box(scene(), 100, 100)] * 60
    fired = fires(Motion(spec("motion?cooldown=0s")), pictures)
    assert fired and max(fired) < 44


def test_a_damaged_picture_is_no_motion():
    trigger = Motion(spec("motion"))
    assert fires(trigger, [scene(), b"\xff\xd8 nothing", b"", scene()]) == []


def test_pictures_of_changing_size_are_compared_all_the_same():
    pictures = [scene(), scene(height=480, width=640), scene(height=120, width=160)]
    assert fires(Motion(spec("motion")), pictures) == []


def test_black_pictures_are_no_motion_after_the_first():
    black = np.zeros((240, 320, 3))
    assert fires(Motion(spec("motion")), [black] * 10) == []


def test_an_array_is_looked_at_as_an_encoded_picture_is():
    picture = scene().astype(np.uint8)
    encoded, raw = grey(capture(picture)), grey(Capture(picture, 0, datetime.now(UTC), 1, "x"))
    assert raw.shape == encoded.shape == (48, 64)
    assert np.abs(raw - encoded).mean() < 4


@pytest.mark.parametrize(
    "text",
    ["motion?aera=1", "motion?area=0", "motion?area=x", "motion?region=1,2", "motion?region=0.9,0,0.1,1",
     "motion?cooldown=often"],
)  # fmt: skip
def test_motion_that_cannot_be_is_refused(text):
    with pytest.raises(InvalidArgument):
        Motion(spec(text))


# --- by somebody -----------------------------------------------------------------------------------------------------


def test_every_asking_is_one_firing_with_its_moment_and_its_answer():
    times = iter([1.0, 2.5])
    trigger = Asked(clock=lambda: next(times))
    trigger.ask("a board")
    trigger.ask()
    assert [(one.source, one.at, one.reply) for one in trigger.due(3.0)] == [
        ("api", 1.0, "a board"),
        ("api", 2.5, None),
    ]
    assert trigger.due(4.0) == []


def test_asking_wakes_the_loop():
    woken = threading.Event()
    trigger = Asked()
    trigger.start(woken.set)
    trigger.ask()
    assert woken.is_set()


def test_asking_without_end_fills_no_memory_and_says_so():
    trigger = Asked()
    assert [trigger.ask() for _ in range(1001)].count(False) == 1
    assert len(trigger.due(0.0)) == 1000


@pytest.fixture
def pins():
    gpiozero = pytest.importorskip("gpiozero")
    from gpiozero.pins.mock import MockFactory

    before = gpiozero.Device.pin_factory
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = before


def test_a_pin_that_is_pulled_to_ground_fires(pins):
    trigger = Gpio(spec("gpio:17?bounce=0s"))
    woken = threading.Event()
    trigger.start(woken.set)
    line = pins.pin(17)
    line.drive_low()
    line.drive_high()
    line.drive_low()
    found = trigger.due(0.0)
    assert [one.source for one in found] == ["gpio:17", "gpio:17"]
    assert woken.is_set()
    trigger.close()


def test_a_pin_that_bounces_fires_once(pins):
    trigger = Gpio(spec("gpio:17?bounce=10s"))
    trigger.start(lambda: None)
    line = pins.pin(17)
    for _ in range(4):
        line.drive_low()
        line.drive_high()
    assert len(trigger.due(0.0)) == 1
    trigger.close()


def test_a_pin_that_is_pulled_down_fires_when_it_rises(pins):
    trigger = Gpio(spec("gpio:4?pull=down&bounce=0s"))
    trigger.start(lambda: None)
    line = pins.pin(4)
    line.drive_high()
    assert len(trigger.due(0.0)) == 1
    trigger.close()


@pytest.mark.usefixtures("pins")
def test_a_pin_that_is_given_back_can_be_taken_again():
    for _ in range(2):
        trigger = Gpio(spec("gpio:17"))
        trigger.start(lambda: None)
        trigger.close()


@pytest.mark.usefixtures("pins")
def test_a_pin_in_use_says_so():
    first, second = Gpio(spec("gpio:17")), Gpio(spec("gpio:17"))
    first.start(lambda: None)
    with pytest.raises(HardwareMissing, match="17"):
        second.start(lambda: None)
    first.close()


@pytest.mark.parametrize("text", ["gpio", "gpio:x", "gpio:99999", "gpio:17?puls=1", "gpio:17?pull=sideways"])
def test_a_pin_that_cannot_be_is_refused(text):
    with pytest.raises(InvalidArgument):
        Gpio(spec(text))
