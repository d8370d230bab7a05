"""OpenAI's masks are transparent where the picture shall change; ours, as diffusers', are white there."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from omni_jobs.media_check import check_picture


def white_where_transparent(data: bytes, *, max_bytes: int, max_pixels: int) -> bytes:
    """The mask as a gray PNG; one without transparency is taken as it is.

    Raises:
        InvalidMedia: no picture, broken, or beyond the limits.
    """
    check_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    with Image.open(io.BytesIO(data)) as image:
        if not image.has_transparency_data:
            return data
        file = io.BytesIO()
        ImageOps.invert(image.convert("RGBA").getchannel("A")).save(file, "PNG")
    return file.getvalue()
