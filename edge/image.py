"""Pictures in, the backbone's input out: decode, orient, crop, resize. This exists once.

The trainer and the device call the same function with the parameters of the backbone's card, so a picture has
one embedding wherever it is computed. Everything here treats bytes as hostile: size and pixel caps are checked
on the header, before anything is decoded.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from edge.errors import BadImage, InvalidArgument, NotFound
from edge.types import Preprocessing

Pixels = NDArray[np.uint8]
Source = str | Path | bytes | Pixels

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
}
_FORMATS = tuple(MEDIA_TYPES)
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})

_ORIENTATION = 0x0112
# Box-average down to this many times the target before the bicubic filter. 1.0 costs 1.0 ms where 2.0 costs 1.9 ms
# (945 x 945 to 224 x 224) and moves a pixel by less than one level of 255 on average.
_REDUCING_GAP = 1.0
_STRIP = 1 << 20
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps checked before decoding. Defaults fit a board with 512 MB and any phone's photographs."""

    max_bytes: int = 64 << 20
    max_pixels: int = 80_000_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the header says. ``width`` and ``height`` in pixels as displayed, EXIF orientation applied."""

    media_type: str
    width: int
    height: int


DEFAULT_LIMITS = Limits()


def prepare(source: Source, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Turn a picture into the backbone's input: (height, width, 3) uint8 RGB of the card's size.

    ``source``: a path, encoded bytes, or an array (h, w, 3) RGB, (h, w, 4) RGBA or (h, w) grey, uint8. A picture that
    has the card's size already is taken whole, not cropped again.
    Raises BadImage (not an image, truncated, over the caps), NotFound (no such file), InvalidArgument (array of
    another shape or dtype).
    """
    if isinstance(source, np.ndarray):
        return _prepare_array(source, preprocessing)
    data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else read(Path(source), limits)
    return decode(data, preprocessing, limits)[1]


def read(path: Path, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an image file, refused unread when larger than ``limits.max_bytes``."""
    try:
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "is no file" if path.exists() else "does not exist"
            raise NotFound(f"{path} {what}; give the path of an image file")
        small = path.stat().st_size <= limits.max_bytes
        data = path.read_bytes() if small else b""
    except PermissionError as error:
        raise BadImage(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the path
        raise BadImage(f"{str(path)!r} cannot be read ({error}); give the path of an image file") from error
    if not small:
        raise BadImage(f"{path} is larger than {limits.max_bytes >> 20} MiB; give a smaller picture")
    return data


def decode(data: bytes, preprocessing: Preprocessing, limits: Limits = DEFAULT_LIMITS) -> tuple[ImageFacts, Pixels]:
    """Decode encoded bytes; returns what the header says and the prepared picture, as in ``prepare``."""
    with _opened(data, limits) as image:
        if image.format == "TIFF":
            image.load()  # turns the picture by itself, and takes the orientation out
        orientation = _orientation(image)
        facts = _facts(image, orientation)
        box = _crop_box(image.size, _sideways(preprocessing, orientation))
        scaled = _draft(image, box, _sideways(preprocessing, orientation))
        resized = _resize(image, scaled, _sideways(preprocessing, orientation))
        if orientation in _TRANSPOSE:
            resized = resized.transpose(_TRANSPOSE[orientation])
        return facts, np.asarray(resized)


def facts(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ImageFacts:
    """What the header of encoded bytes says, nothing decoded. Raises BadImage."""
    with _opened(data, limits) as image:
        return _facts(image, _orientation(image))


def encode_png(pixels: Pixels) -> bytes:
    """Lossless bytes of an array, for storing captures that never were a file."""
    buffer = io.BytesIO()
    Image.fromarray(_checked(pixels)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@contextmanager
def _opened(data: bytes, limits: Limits) -> Iterator[Image.Image]:
    if len(data) > limits.max_bytes:
        raise BadImage(f"the picture is larger than {limits.max_bytes >> 20} MiB; give a smaller one")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own pixel cap below is the stricter of the two
            with _reader(data) as image:
                width, height = image.size
                if width * height > limits.max_pixels:
                    raise _too_many_pixels(f"{width} x {height}", limits)
                yield image
    except Image.DecompressionBombError as error:
        raise _too_many_pixels("more", limits) from error
    except UnidentifiedImageError as error:
        raise BadImage("not a JPEG, PNG, WebP, BMP, TIFF or GIF picture; convert it or leave it out") from error
    except BadImage:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, TypeError) as error:
        # Pillow's decoders report damage with any of these; which one depends on the format
        raise BadImage(f"damaged or truncated picture ({error}); copy the file again or leave it out") from error
    except MemoryError as error:
        raise BadImage("there is not enough memory to decode this picture; scale it down first") from error


def _reader(data: bytes) -> Image.Image:
    """Open by the header alone. JPEGs, most of what cameras give, without loading the readers of other formats."""
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _too_many_pixels(size: str, limits: Limits) -> BadImage:
    cap = limits.max_pixels // 1_000_000
    return BadImage(f"the picture claims {size} pixels, over the cap of {cap} megapixels; scale it down first")


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; anything else there counts as 1, upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        return 1  # broken EXIF is no reason to refuse pixels
    return value if isinstance(value, int) and value in _TRANSPOSE else 1


def _facts(image: Image.Image, orientation: int) -> ImageFacts:
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(MEDIA_TYPES[image.format or ""], width, height)


def _sideways(preprocessing: Preprocessing, orientation: int) -> Preprocessing:
    """The same geometry before a transposing orientation is applied, so that only the small result is turned."""
    if orientation < 5 or preprocessing.width == preprocessing.height:
        return preprocessing
    return replace(preprocessing, width=preprocessing.height, height=preprocessing.width)


Box = tuple[float, float, float, float]


def _crop_box(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """(left, top, right, bottom) in pixels of the part that becomes the input."""
    width, height = size
    if size == (preprocessing.width, preprocessing.height):  # somebody has cropped it already
        return 0.0, 0.0, float(width), float(height)
    if preprocessing.fit == "stretch":
        wide, high = width * preprocessing.crop, height * preprocessing.crop
    else:
        unit = min(width / preprocessing.width, height / preprocessing.height) * preprocessing.crop
        wide, high = preprocessing.width * unit, preprocessing.height * unit
    left, top = (width - wide) / 2, (height - high) / 2
    return max(left, 0.0), max(top, 0.0), min(left + wide, width), min(top + high, height)


def _draft(image: Image.Image, box: Box, preprocessing: Preprocessing) -> Box:
    """Ask the JPEG decoder for the smallest DCT scale that still covers the crop; returns the box at that scale."""
    if image.format != "JPEG":
        return box
    width, height = image.size
    need = max(preprocessing.width / (box[2] - box[0]), preprocessing.height / (box[3] - box[1]))
    if need < 0.5:
        drafted = image.draft(None, (max(1, int(width * need)), max(1, int(height * need))))
        if drafted is not None:
            # of the scaled size before it was rounded up: the last column may stand for less than a whole block
            across, down = drafted[1][2] / width, drafted[1][3] / height
            return box[0] * across, box[1] * down, box[2] * across, box[3] * down
    return box


def _resize(image: Image.Image, box: Box, preprocessing: Preprocessing) -> Image.Image:
    size = (preprocessing.width, preprocessing.height)
    if image.mode not in ("RGB", "L") or "transparency" in image.info:
        image, box = _flattened(image, box, size)
    if image.size == size and box == (0, 0, *size):
        return image.convert("RGB")
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP).convert("RGB")


def _flattened(image: Image.Image, box: Box, size: tuple[int, int]) -> tuple[Image.Image, Box]:
    """As plain RGB, already box-averaged as ``resize`` would, and the box in it.

    Strip by strip, because a large picture that exists several times does not fit into a small board's memory.
    """
    across = int((box[2] - box[0]) / size[0] / _REDUCING_GAP) or 1
    down = int((box[3] - box[1]) / size[1] / _REDUCING_GAP) or 1
    # where ``resize`` begins to average: strips of an opaque picture give exactly what it gives
    left, top, right, bottom = _around(box, size, image.size, reach=1.5 if across * down > 1 else 3.0)
    shift = 8 if image.mode.startswith("I;16") or (image.mode == "I" and _highest(image) > 255) else 0
    small = Image.new("RGB", (-((left - right) // across), -((top - bottom) // down)))
    rows = max(1, _STRIP // ((right - left) * down)) * down
    for y in range(top, bottom, rows):
        strip = _plain(image.crop((left, y, right, min(y + rows, bottom))), shift)
        small.paste(strip.reduce((across, down)), (0, (y - top) // down))
    return small, ((box[0] - left) / across, (box[1] - top) / down, (box[2] - left) / across, (box[3] - top) / down)


def _highest(image: Image.Image) -> float:
    """A 32-bit picture says nowhere how many of its bits it uses."""
    highest = image.getextrema()[1]
    return highest if isinstance(highest, int | float) else 255


def _plain(image: Image.Image, shift: int) -> Image.Image:
    """To RGB; transparency is laid over white, ``shift`` bits of a deeper picture are dropped."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> shift).clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _checked(pixels: Pixels) -> Pixels:
    shape = pixels.shape
    good = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not good or 0 in shape:
        raise InvalidArgument(
            f"an array of {pixels.dtype} {shape} is no picture; give uint8 (h, w, 3) RGB, (h, w, 4) or (h, w)"
        )
    return pixels


def _prepare_array(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    pixels = _checked(pixels)
    box = _crop_box((pixels.shape[1], pixels.shape[0]), preprocessing)
    pixels, box = _sliced(pixels, box, (preprocessing.width, preprocessing.height))
    if pixels.shape == (preprocessing.height, preprocessing.width, 3) and _whole(box, pixels):
        return pixels
    return np.asarray(_resize(Image.fromarray(pixels), box, preprocessing))


def _whole(box: Box, pixels: Pixels) -> bool:
    return box == (0, 0, pixels.shape[1], pixels.shape[0])


def _sliced(pixels: Pixels, box: Box, size: tuple[int, int]) -> tuple[Pixels, Box]:
    """Leave out rows and columns that cannot matter (a view), so that they are never copied."""
    left, top, right, bottom = _around(box, size, (pixels.shape[1], pixels.shape[0]), reach=3.0)
    return pixels[top:bottom, left:right], (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def _around(box: Box, size: tuple[int, int], whole: tuple[int, int], reach: float) -> tuple[int, int, int, int]:
    """The box and what a filter of ``reach`` steps of the result (at least as many pixels) sees around it."""
    wide, high = (reach * max(1.0, (box[i + 2] - box[i]) / size[i]) for i in (0, 1))
    left, top = max(0, int(box[0] - wide)), max(0, int(box[1] - high))
    return left, top, min(whole[0], math.ceil(box[2] + wide)), min(whole[1], math.ceil(box[3] + high))
