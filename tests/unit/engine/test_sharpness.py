"""Blurred photographs are told from sharp ones, whatever they show."""

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFilter

from edge.engine.sharpness import BLURRED, blur
from edge.image import prepare
from edge.types import Preprocessing

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket")


@pytest.fixture(params=PHOTOGRAPHS)
def photograph(request):
    return Image.fromarray(prepare(getattr(skimage.data, request.param)(), Preprocessing(224, 224)))


def test_a_sharp_photograph_is_below_the_threshold(photograph):
    assert blur(np.asarray(photograph)) < BLURRED


def test_one_out_of_focus_is_above_it(photograph):
    assert blur(np.asarray(photograph.filter(ImageFilter.GaussianBlur(3)))) > BLURRED


def test_one_taken_while_moving_is_above_it_in_either_direction():
    pixels = prepare(skimage.data.astronaut(), Preprocessing(224, 224)).astype(float)
    moved = np.mean([pixels[:, shift : 200 + shift] for shift in range(17)], axis=0).astype(np.uint8)
    assert blur(moved) > BLURRED
    assert blur(moved.transpose(1, 0, 2)) == pytest.approx(blur(moved))


def test_more_blur_is_never_less(photograph):
    found = [blur(np.asarray(photograph.filter(ImageFilter.GaussianBlur(radius)))) for radius in (0, 1, 2, 4)]
    assert found == sorted(found)


@pytest.mark.parametrize("shape", [(224, 224, 3), (1, 1, 3), (9, 300, 3)])
def test_a_picture_without_any_detail_has_a_value_too(shape):
    assert 0 <= blur(np.full(shape, 128, np.uint8)) <= 1
