"""Small pictures of outputs: how one is made, and those that were made last. Used by `thumbnails.py`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from io import BytesIO

from PIL import Image

#: The longer side, in pixels: sharp on a card of the gallery, also where a pixel of CSS is two.
SIDE = 384
QUALITY = 75
#: A larger picture is not decoded.
MAX_PIXELS = 64_000_000


class Shelf:
    """The pictures made last, up to a number of bytes. Safe for threads."""

    def __init__(self, max_bytes: int = 32 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, digest: str) -> bytes | None:
        """The picture of the output with these contents."""
        with self._lock:
            if digest in self._pictures:
                self._pictures.move_to_end(digest)
            return self._pictures.get(digest)

    def put(self, digest: str, picture: bytes) -> None:
        """Keeps a picture; the least recently used ones make room."""
        with self._lock:
            self._bytes += len(picture) - len(self._pictures.pop(digest, b""))
            self._pictures[digest] = picture
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._pictures.popitem(last=False)[1])


def shrunk(data: bytes) -> bytes:
    """A picture as a small WebP; of a moving one, its beginning.

    Raises:
        ValueError, OSError: no picture that can be read here, or one with too many pixels.
    """
    try:
        with Image.open(BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"it has {picture.width}x{picture.height} pixels")
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, SyntaxError) as error:
        raise ValueError(str(error)) from error
    small.thumbnail((SIDE, SIDE))
    file = BytesIO()
    small.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()
