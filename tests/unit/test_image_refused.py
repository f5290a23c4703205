"""Hostile and broken pictures are refused in one clear sentence, before they are decoded."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge import image as images
from edge.errors import BadImage, NotFound
from edge.image import DEFAULT_LIMITS, Limits, decode, prepare, read
from edge.types import Preprocessing

SQUARE = Preprocessing(64, 64)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


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


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (9000, 9000)])
def test_a_decompression_bomb_is_refused_undecoded(size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(BadImage, match=r"pixels, over the cap of 80 megapixels; scale it down"):
        decode(header(*size), SQUARE)


def test_the_caps_are_the_callers():
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
from test_image_refused import SQUARE, chunk
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
    data = encoded(NOISE.resize((120, 90)), kind)
    with pytest.raises(BadImage, match="or leave it out"):
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
    broken = bytearray(encoded(NOISE, kind))
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(broken), SQUARE)[1]
    except BadImage as error:
        assert str(error)
    else:
        assert pixels.shape == (64, 64, 3)


def test_too_little_memory_is_said(monkeypatch):
    def starve(*_):
        raise MemoryError

    monkeypatch.setattr(images, "_resize", starve)
    with pytest.raises(BadImage, match="not enough memory"):
        decode(encoded(NOISE, "PNG"), SQUARE)


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
