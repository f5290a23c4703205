"""Pictures of every kind become the backbone's input; hostile ones are refused before they are decoded."""

import io
import os
import struct
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge import image as images
from edge.errors import BadImage, InvalidArgument, NotFound
from edge.image import DEFAULT_LIMITS, Limits, decode, encode_png, prepare, read
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


def header(width, height, depth=8, colour=2):
    """A PNG that claims a size and holds no pixels."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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


# --- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (9000, 9000)])
def test_a_decompression_bomb_is_refused_undecoded(size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(BadImage, match=r"pixels, over the cap of 80 megapixels; scale it down"):
        decode(header(*size), SQUARE)


def test_the_caps_are_the_callers(saved):
    data = encoded(Image.new("RGB", (100, 100)), "PNG")
    with pytest.raises(BadImage, match="claims 100 x 100 pixels"):
        decode(data, SQUARE, Limits(max_pixels=9_999))
    with pytest.raises(BadImage, match="larger than 0 MiB"):
        decode(data, SQUARE, Limits(max_bytes=len(data) - 1))
    assert decode(data, SQUARE, Limits(max_bytes=len(data), max_pixels=10_000))


def test_a_webp_bomb_takes_no_memory():
    side = (16_382).to_bytes(3, "little")
    data = b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + side + side + bytes(60)
    with pytest.raises(BadImage):
        decode(data, SQUARE)


def test_a_large_picture_fits_into_a_small_boards_memory():
    code = f"""
import resource, struct, sys, zlib
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_image import SQUARE, chunk
from edge.image import decode
row = b"\\0" + b"\\x80" * 5000 * 4
data = (b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 4000, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4000, 1)) + chunk(b"IEND", b""))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(data, SQUARE)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 120 << 10  # kilobytes; the pixels alone are 80 MB


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_picture_is_refused(kind, share):
    data = encoded(photograph().resize((120, 90)), kind)
    with pytest.raises(BadImage, match="copy the file again or leave it out|convert it or leave it out"):
        decode(data[: int(len(data) * share)], SQUARE)


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"\xff\xd8\xff", b"GIF89a", b"%PDF-1.4", b"<svg/>"])
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(BadImage):
        decode(data, SQUARE)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(size):
    with pytest.raises(BadImage):
        decode(header(*size), SQUARE)


def test_formats_that_run_programs_or_fetch_things_are_not_opened():
    with pytest.raises(BadImage, match="not a JPEG, PNG"):
        decode(encoded(Image.new("RGB", (10, 10)), "EPS"), SQUARE)


@given(st.data())
def test_damaged_bytes_give_a_picture_or_a_clear_refusal(data):
    kind = data.draw(st.sampled_from(FORMATS))
    broken = bytearray(SMALL[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(broken), SQUARE)[1]
    except BadImage as error:
        assert str(error)
    else:
        assert pixels.shape == (64, 64, 3)


SMALL = {
    kind: encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)), kind)
    for kind in FORMATS
}


def test_too_little_memory_is_said(monkeypatch):
    def starve(*_):
        raise MemoryError

    monkeypatch.setattr(images, "_resize", starve)
    with pytest.raises(BadImage, match="not enough memory"):
        decode(SMALL["PNG"], SQUARE)


# --- files -------------------------------------------------------------------------------------------------------


def test_a_missing_file_a_folder_and_a_device_are_told_apart(tmp_path):
    with pytest.raises(NotFound, match="does not exist; give the path of an image file"):
        read(tmp_path / "missing.jpg")
    with pytest.raises(NotFound, match="is a directory; give the path of an image file"):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFound, match="is no file; give the path of an image file"):
        read(tmp_path / "pipe")


def test_a_path_with_a_nul_is_refused():
    with pytest.raises((NotFound, BadImage)):
        prepare("a\0b.jpg", SQUARE)


def test_a_large_file_is_refused_unread_in_one_sentence(tmp_path):
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(DEFAULT_LIMITS.max_bytes + 1)
    with pytest.raises(BadImage) as caught:
        read(path)
    assert str(caught.value) == f"{path} is larger than 64 MiB; give a smaller picture"
