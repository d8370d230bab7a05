"""Is this a picture that a worker can use? Asked at the door, before anything is stored or queued."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from omni_jobs.errors import InvalidMedia

#: Formats that are taken, and the content type of each.
CONTENT_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MAX_BYTES = 50 * 2**20
MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the picture's own bytes say, whatever its sender called it."""

    content_type: str
    size_bytes: int
    width: int
    height: int


def check_picture(data: bytes | Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> PictureFacts:
    """Decodes a picture, in memory or in a file, to the end, within limits checked before pixels are made.

    Raises:
        InvalidMedia: not PNG, JPEG or WebP, broken, cut short, or beyond the limits.
    """
    size_bytes = data.stat().st_size if isinstance(data, Path) else len(data)
    if size_bytes > max_bytes:
        raise InvalidMedia(
            f"The input has {size_bytes} bytes; the limit is {max_bytes}.",
            field="data",
            value=size_bytes,
            remedy="Send a smaller file.",
        )
    try:
        with Image.open(
            data if isinstance(data, Path) else BytesIO(data), formats=tuple(CONTENT_TYPES)
        ) as picture:
            _check_pixels(picture, max_pixels)
            picture.load()
            return PictureFacts(CONTENT_TYPES[str(picture.format)], size_bytes, picture.width, picture.height)
    except UnidentifiedImageError as error:
        raise InvalidMedia(
            "The input is no PNG, JPEG or WebP picture.",
            field="data",
            remedy="Convert it to one of these formats.",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidMedia(f"The picture has more than {max_pixels} pixels.", field="data") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        # What Pillow's decoders raise on broken files.
        raise InvalidMedia(
            f"The picture is broken: {error}.", field="data", remedy="Send an intact file."
        ) from error


def _check_pixels(picture: Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise InvalidMedia(
            f"The picture has {picture.width}x{picture.height} pixels; the limit is {max_pixels} in all.",
            field="data",
            value=[picture.width, picture.height],
            remedy="Send a smaller picture.",
        )
