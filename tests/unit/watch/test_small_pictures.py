"""Captures as small JPEGs, for brokers, hooks and programs."""

import io

import numpy as np
import pytest
from PIL import Image

from edge.errors import BadImage
from edge.watch.actions.pictures import small, whole


def encoded(size, kind="JPEG", **options):
    out = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(out, kind, **options)
    return out.getvalue()


def shape(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    return image.size


def test_a_large_picture_becomes_small_and_keeps_its_shape():
    assert shape(small(encoded((1600, 1200)))) == (640, 480)
    assert shape(small(np.zeros((1200, 600, 3), np.uint8))) == (320, 640)


def test_a_small_jpeg_stays_as_it_is():
    data = encoded((320, 240))
    assert small(data) is data
    assert whole(data) is data


def test_other_kinds_become_jpegs_of_their_own_size():
    assert shape(small(encoded((320, 240), "PNG"))) == (320, 240)
    assert shape(whole(encoded((1600, 1200), "PNG"))) == (1600, 1200)
    assert shape(whole(np.zeros((1200, 1600), np.uint8))) == (1600, 1200)


def test_a_picture_that_lies_on_its_side_is_put_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert shape(small(encoded((1600, 800), exif=exif))) == (320, 640)


def test_damaged_pictures_are_refused():
    with pytest.raises(BadImage):
        small(b"\xff\xd8 this is no picture")
