"""Pictures of every kind become the backbone's input."""

import io
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge import image as images
from edge.errors import InvalidArgument
from edge.image import decode, encode_png, prepare
from edge.types import Preprocessing

SQUARE = Preprocessing(64, 64)
WIDE = Preprocessing(96, 64)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


@cache
def photograph():
    import skimage.data

    return Image.fromarray(skimage.data.astronaut())


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(**tags):
    made = Image.Exif()
    for tag, value in tags.items():
        made[int(tag[1:], 16)] = value
    return made.tobytes()


def reference(picture, preprocessing):
    """The documented geometry by the shortest way: orient, lay over white, crop and resize in one bicubic step."""
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    width, height = picture.size
    unit = min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop
    wide, high = preprocessing.width * unit, preprocessing.height * unit
    box = ((width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2)
    size = (preprocessing.width, preprocessing.height)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box))


def difference(one, other):
    return np.abs(one.astype(float) - other.astype(float)).mean()


# --- geometry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_picture(kind):
    picture = photograph().resize((300, 200))
    facts, pixels = decode(encoded(picture, kind), SQUARE)
    assert facts.media_type == f"image/{kind.lower()}"
    assert (facts.width, facts.height) == (300, 200)
    assert difference(pixels, reference(picture, SQUARE)) < (10 if kind == "GIF" else 5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("preprocessing", [SQUARE, WIDE], ids=["square", "wide"])
def test_exif_orientation_is_honoured(orientation, preprocessing):
    data = encoded(photograph().crop((0, 0, 400, 300)), "JPEG", quality=95, exif=exif(x0112=orientation))
    facts, pixels = decode(data, preprocessing)
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
        assert (facts.width, facts.height) == upright.size
        assert pixels.shape == (preprocessing.height, preprocessing.width, 3)
        assert difference(pixels, reference(opened, preprocessing)) < 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_honoured_in_other_formats(kind):
    picture = photograph().crop((0, 0, 400, 300))
    facts, pixels = decode(encoded(picture, kind, exif=exif(x0112=6)), WIDE)
    assert (facts.width, facts.height) == (300, 400)
    assert difference(pixels, reference(picture.rotate(-90, expand=True), WIDE)) < 5


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_means_upright(orientation):
    picture = photograph().crop((0, 0, 400, 300))
    facts, pixels = decode(encoded(picture, "JPEG", exif=exif(x0112=orientation)), WIDE)
    assert (facts.width, facts.height) == (400, 300)
    assert np.array_equal(pixels, decode(encoded(picture, "JPEG"), WIDE)[1])


def test_broken_exif_is_no_reason_to_refuse_pixels():
    broken = b"Exif\0\0" + b"II*\0" + b"\xff" * 40
    picture = photograph().crop((0, 0, 200, 200))
    assert np.array_equal(
        decode(encoded(picture, "JPEG", exif=broken), SQUARE)[1], decode(encoded(picture, "JPEG"), SQUARE)[1]
    )


def test_sixty_kilobytes_of_exif_are_carried_along():
    data = encoded(photograph(), "JPEG", exif=exif(x0112=3, x010E="x" * 60_000))
    facts, pixels = decode(data, SQUARE)
    assert (facts.width, facts.height) == (512, 512)
    assert difference(pixels, reference(photograph().rotate(180), SQUARE)) < 3


@pytest.mark.parametrize("size", [(1001, 751), (1500, 1100), (700, 3000)])
def test_a_jpeg_decoded_at_a_dct_scale_is_close_to_the_whole_one(size):
    preprocessing = Preprocessing(112, 112)
    data = encoded(photograph().resize(size, Image.Resampling.LANCZOS), "JPEG", quality=95)
    with Image.open(io.BytesIO(data)) as opened:
        whole = decode(encoded(opened, "PNG", compress_level=1), preprocessing)[1]
    assert difference(decode(data, preprocessing)[1], whole) < 2.2


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_dct_scale_does_not_shift_the_picture(scale):
    """A step that is in the middle of the picture stays there, at every size of the last, unfinished block."""
    for extra in range(scale):
        side = 20 * scale + 1 + extra
        step = np.zeros((side, side), np.uint8)
        step[:, side // 2 :] = 255
        row = decode(encoded(Image.fromarray(step), "JPEG", quality=95), Preprocessing(8, 8, crop=1.0))[1][4, :, 0]
        assert row.mean() / 255 == pytest.approx((side - side // 2) / side, abs=0.02)


def test_a_large_jpeg_is_not_decoded_whole(monkeypatch):
    sizes = []
    original = images._resize
    monkeypatch.setattr(
        images, "_resize", lambda picture, *rest: sizes.append(picture.size) or original(picture, *rest)
    )
    decode(encoded(Image.new("RGB", (1600, 1200)), "JPEG"), SQUARE)
    assert sizes == [(200, 150)]


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    fit=st.sampled_from(["centre", "stretch"]),
    crop=st.floats(0.01, 1.0),
    target=st.tuples(st.integers(8, 300), st.integers(8, 300)),
)
def test_the_crop_box_lies_in_the_middle_of_the_picture(width, height, fit, crop, target):
    preprocessing = Preprocessing(*target, fit=fit, crop=crop)
    left, top, right, bottom = images._crop_box((width, height), preprocessing)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert left + right == pytest.approx(width)
    assert top + bottom == pytest.approx(height)
    if (width, height) == target:
        assert (left, top, right, bottom) == (0, 0, width, height)
    elif fit == "centre":
        assert (right - left) / (bottom - top) == pytest.approx(target[0] / target[1])
        assert max((right - left) / width, (bottom - top) / height) == pytest.approx(crop)
    else:
        assert (right - left) / width == pytest.approx(crop)
        assert (bottom - top) / height == pytest.approx(crop)


def test_stretching_shows_what_the_centre_leaves_out():
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, :100] = 255
    assert prepare(picture, Preprocessing(64, 64, fit="centre", crop=1.0)).max() == 0
    assert prepare(picture, Preprocessing(64, 64, fit="stretch", crop=1.0))[:, :15].min() == 255


# --- kinds of pixels ---------------------------------------------------------------------------------------------


def test_sixteen_bits_look_like_eight():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    deep = decode(encoded(Image.fromarray(ramp.astype(np.uint16) * 257), "PNG"), SQUARE)[1]
    assert np.array_equal(deep, decode(encoded(Image.fromarray(ramp), "PNG"), SQUARE)[1])


def test_a_dark_picture_of_sixteen_bits_stays_dark():
    dark = Image.fromarray(np.full((80, 80), 200, np.uint16))
    assert decode(encoded(dark, "PNG"), SQUARE)[1].max() == 0


def test_thirty_two_bit_pictures_use_eight_or_sixteen_of_them():
    ramp = np.tile(np.arange(256, dtype=np.int32), (256, 1))
    shallow = decode(encoded(Image.fromarray(ramp), "TIFF"), SQUARE)[1]
    deep = decode(encoded(Image.fromarray(ramp * 256), "TIFF"), SQUARE)[1]
    assert np.array_equal(shallow, deep)
    assert shallow.max() > 200


def test_a_cmyk_jpeg_keeps_its_colours():
    red = Image.new("RGB", (80, 80), (220, 30, 30)).convert("CMYK")
    assert difference(decode(encoded(red, "JPEG"), SQUARE)[1], np.full((64, 64, 3), (220, 30, 30))) < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_transparency_is_laid_over_white(mode):
    if mode in ("RGBA", "LA"):
        data = encoded(Image.new(mode, (80, 80), 0), "PNG")
    else:
        black = Image.new(mode, (80, 80))
        data = encoded(black, "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert decode(data, SQUARE)[1].min() == 255


def test_a_large_picture_is_flattened_in_strips_without_seams(monkeypatch):
    picture = photograph().resize((900, 700)).convert("RGBA")
    whole = decode(encoded(picture, "PNG", compress_level=1), WIDE)[1]
    monkeypatch.setattr(images, "_STRIP", 5000)
    assert np.array_equal(decode(encoded(picture, "PNG", compress_level=1), WIDE)[1], whole)
    assert np.array_equal(decode(encoded(picture.convert("RGB"), "PNG", compress_level=1), WIDE)[1], whole)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "F", "I;16", "I"])
def test_every_mode_becomes_rgb(mode):
    kind = "PNG" if mode in ("1", "L", "P", "I;16") else "TIFF"
    picture = Image.new(mode, (70, 90))
    assert decode(encoded(picture, kind), SQUARE)[1].shape == (64, 64, 3)


def test_a_gif_shows_its_first_picture():
    first, second = Image.new("RGB", (80, 80), (250, 0, 0)), Image.new("RGB", (80, 80), (0, 0, 250))
    pixels = decode(encoded(first, "GIF", save_all=True, append_images=[second]), SQUARE)[1]
    assert pixels[..., 0].min() > 200
    assert pixels[..., 2].max() < 50


def test_a_phones_jpeg_of_several_pictures_shows_its_first():
    """Phones put a depth map or a second exposure behind the picture, listed in an APP2 segment."""
    first, second = photograph().crop((0, 0, 400, 300)), Image.new("RGB", (400, 300), "red")
    several = encoded(first, "MPO", save_all=True, append_images=[second], quality=90, exif=exif(x0112=6))
    assert b"MPF\0" in several
    facts, pixels = decode(several, WIDE)
    assert (facts.media_type, facts.width, facts.height) == ("image/jpeg", 300, 400)
    assert np.array_equal(pixels, decode(encoded(first, "JPEG", quality=90, exif=exif(x0112=6)), WIDE)[1])


_OPEN_FIRST = """
import sys
from edge.image import prepare
from edge.types import Preprocessing
print(prepare(sys.stdin.buffer.read(), Preprocessing(8, 8)).shape)
"""


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_opens_as_the_first_picture_of_a_process(kind):
    """Readers of other formats than JPEG's are loaded when a picture asks for them."""
    data = encoded(photograph().resize((30, 20)), kind)
    done = subprocess.run([sys.executable, "-c", _OPEN_FIRST], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "(8, 8, 3)"


@pytest.mark.parametrize("kind", FORMATS)
def test_one_pixel_is_a_picture(kind):
    facts, pixels = decode(encoded(Image.new("RGB", (1, 1), "white"), kind), WIDE)
    assert (facts.width, facts.height) == (1, 1)
    assert pixels.shape == (64, 96, 3)
    assert pixels.min() > 250


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (60_000, 3)])
@pytest.mark.parametrize("fit", ["centre", "stretch"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_extreme_shapes_are_pictures_too(size, fit, kind):
    data = encoded(Image.new("RGB", size, (255, 0, 0)), kind)
    pixels = decode(data, Preprocessing(64, 96, fit=fit))[1]
    assert pixels.shape == (96, 64, 3)
    assert difference(pixels, np.full((96, 64, 3), (255, 0, 0))) < 2


# --- arrays ------------------------------------------------------------------------------------------------------


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    mode=st.sampled_from(["L", "RGB", "RGBA"]),
    preprocessing=st.sampled_from([SQUARE, WIDE]),
)
def test_an_array_and_its_file_give_the_same_picture(height, width, mode, preprocessing):
    array = np.asarray(photograph().crop((0, 0, width, height)).convert(mode))
    # Pillow may resize one with columns first and the other with rows first, which rounds differently
    assert difference(prepare(array, preprocessing), decode(encode_png(array), preprocessing)[1]) < 0.2


def test_arrays_that_are_views_give_what_their_copies_give():
    array = np.asarray(photograph())
    for view in (array[::-1, ::-1], array[::2, ::3], array.transpose(1, 0, 2), np.asfortranarray(array)):
        assert np.array_equal(prepare(view, SQUARE), prepare(view.copy(), SQUARE))


def test_an_array_of_the_right_size_is_taken_as_it_is():
    array = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert np.array_equal(prepare(array, WIDE), array)


def test_a_prepared_array_is_not_changed():
    array = np.random.default_rng(0).integers(0, 256, (90, 80, 4), dtype=np.uint8)
    before = array.copy()
    prepare(array, SQUARE)
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 0), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((10, 10, 2), np.uint8),
        np.zeros((1, 10, 10, 3), np.uint8),
        np.zeros(10, np.uint8),
        np.zeros((), np.uint8),
    ],
    ids=str,
)
def test_an_array_that_is_no_picture_is_refused(array):
    with pytest.raises(InvalidArgument, match="no picture; give uint8"):
        prepare(array, SQUARE)
    with pytest.raises(InvalidArgument):
        encode_png(array)


def test_bytes_and_paths_are_the_same_picture(saved):
    path = saved("one.png", np.asarray(photograph()))
    data = path.read_bytes()
    assert all(
        np.array_equal(prepare(one, SQUARE), prepare(path, SQUARE)) for one in (data, bytearray(data), memoryview(data))
    )
