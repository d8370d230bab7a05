"""OpenAI's masks are transparent where the picture shall change; ours, as diffusers', are white there."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

from PIL import Image, ImageOps

from omni_jobs.api.faces.pictures import Given, with_bytes
from omni_jobs.api.service import Service
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


async def white_mask(service: Service, account: str, mask: Given, base: str) -> Given:
    """The mask as a job has it; one that was uploaded before is such a mask already.

    Raises:
        InvalidMedia, and for URLs what `Service.fetch_picture` raises.
    """
    mask = await with_bytes(service, account, mask, base)
    if mask.data is None:
        return mask
    limits = {"max_bytes": service.settings.max_input_bytes, "max_pixels": service.settings.max_input_pixels}
    return replace(mask, data=await asyncio.to_thread(white_where_transparent, mask.data, **limits))
