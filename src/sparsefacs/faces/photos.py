"""Photos from files, by Pillow: upright, and whatever their depth, 8 bits of red, green and blue."""

import io
import struct
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import file_problem, readable

if TYPE_CHECKING:
    from PIL import Image as Pillow

_SEVERAL = ("PNG", "TIFF", "WEBP")  # kinds whose further pictures are a film or a stack, not a phone's depth map
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # bits that cameras and scanners write into a wider number
_FULL = 256
_FEWER_BITS = "Save it with 8 or 16 bits a colour"
_ORIENTATION = 0x0112  # in EXIF


@dataclass(frozen=True)
class Photo:
    """A photo: RGB (H, W, 3) uint8, upright; and what of its file is not read, in words, "" where that is nothing."""

    image: NDArray[np.uint8]
    left_out: str = ""


def read_image(path: Path, member: str | None = None) -> NDArray[np.uint8]:
    """Read a photo as upright RGB, (H, W, 3) uint8; arguments and errors as of `read_photo`."""
    return read_photo(path, member).image


def read_photo(path: Path, member: str | None = None) -> Photo:
    """Read a photo, turned as its EXIF orientation says; of a film or stack of pictures the first.

    member: the photo's name inside the zip file `path`. Numbers of more than 8 bits are brought to 8 by the bits that
    they use: 12 in a 16-bit file are taken for 12. Raises InputError when the file is missing, empty, damaged, no
    image, or its numbers have no known white.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    problem = file_problem(path)
    if problem:
        raise InputError(problem, path=readable(path), remedy="Check the name")
    if path.stat().st_size == 0:
        raise InputError("is empty (0 bytes)", path=readable(path), remedy="Copy the image again")
    # Not undone: that would not be safe beside other threads. A damaged EXIF block or a large picture is no news here.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(path if member is None else io.BytesIO(_from_zip(path, member))) as opened:
            count = int(getattr(opened, "n_frames", 1)) if opened.format in _SEVERAL else 1
            deep = ";16" in str(getattr(opened, "tile", ""))  # tells the depth in the file, before it is loaded
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            if upright.mode.startswith("I") or upright.mode == "F":  # Pillow would clip at 255
                upright = Image.fromarray(to_8_bits(np.asarray(upright)))
            pixels = np.array(upright.convert("RGB"))
            if deep and upright.mode != "L" and pixels.max() < _FULL >> 2:
                pixels = _deep_colours(path.read_bytes() if member is None else _from_zip(path, member), opened)
            return Photo(pixels, _left_out(count))
    except Image.DecompressionBombError as error:
        raise InputError(
            "has too many pixels to be opened safely", path=readable(path), remedy="Reduce the image"
        ) from error
    except PermissionError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", path=readable(path), remedy="Allow yourself to read it"
        ) from error
    except InputError as error:  # of `to_8_bits`, which does not know the file
        raise InputError(error.problem, path=readable(path), remedy=_FEWER_BITS) from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        reason = "is no image" if isinstance(error, UnidentifiedImageError) else f"is damaged ({error})"
        raise InputError(reason, path=readable(path), remedy="Copy or export the image again") from error


def to_8_bits(numbers: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a picture's numbers (H, W) or (H, W, 3) as 0–255, by the bits that the largest needs, of the usual depths.

    Fractions are read as 0 to 1. Raises InputError where there is no telling what white is: numbers below 0, not
    finite, or fractions above 1.
    """
    values = np.asarray(numbers)
    low, high = float(values.min()), float(values.max())
    fractions = bool(np.issubdtype(values.dtype, np.floating))
    if fractions and low >= 0 and high <= 1:
        return np.asarray(np.round(values * 255), np.uint8)
    known = np.isfinite([low, high]).all() and low >= 0 and high < 2 ** _DEPTHS[-1]
    if not known or (fractions and not np.array_equal(values, np.round(values))):
        raise InputError(
            f"its numbers go from {low:g} to {high:g}, so that it cannot be told what is white",
            remedy=_FEWER_BITS,
        )
    bits = next(bits for bits in _DEPTHS if high < 2**bits)
    return np.asarray(values.astype(np.int64) >> (bits - 8), np.uint8)


def _deep_colours(content: bytes, opened: "Pillow.Image") -> NDArray[np.uint8]:
    """Return a photo of more than 8 bits a colour, upright, by the bits it uses: Pillow gives the upper 8 of 16."""
    import cv2
    from PIL import Image, ImageOps

    numbers = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if numbers is None or numbers.ndim != 3:
        raise OSError("its 16 bits a colour cannot be read")
    image = Image.fromarray(to_8_bits(np.ascontiguousarray(numbers[..., 2::-1])))
    image.getexif()[_ORIENTATION] = opened.getexif().get(_ORIENTATION, 1)
    return np.array(ImageOps.exif_transpose(image))


def _left_out(pictures: int) -> str:
    return f"only the first of the file's {pictures} pictures is read" if pictures > 1 else ""


@lru_cache(maxsize=2)
def _zip_file(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _from_zip(path: Path, member: str) -> bytes:
    """Return a zip file's member; raises OSError when the zip or the member is damaged or missing."""
    try:
        return _zip_file(path).read(member)
    except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(f"{member} in the zip: {error}") from error
