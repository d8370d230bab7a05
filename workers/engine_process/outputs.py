"""What a pipeline returned, as spool files: pictures, clips and sound, whatever type diffusers gave them.

Runs in the engine process, off the engine's thread. The rounding is that of diffusers' own image processor, so
that a stored PNG equals what `pipe(...).images[0]` would have saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from omni_jobs.errors import ModerationBlocked
from workers.engine_process.spool import Kind, SpoolFile, write_spool

#: Attribute of a pipeline's output object, by what it holds.
FIELDS: dict[str, Kind] = {
    "images": "image",
    "image": "image",
    "frames": "video",
    "videos": "video",
    "audios": "audio",
    "audio": "audio",
}
#: Frames per second of clips whose pipeline does not say.
DEFAULT_FRAME_RATE = 16.0
DEFAULT_SAMPLE_RATE = 44_100.0

Array = np.ndarray[Any, np.dtype[Any]]
Check = Callable[[Kind, Array], None]


def spool_output(
    output: Any, folder: Path, rates: Mapping[Kind, float] | None = None, check: Check = lambda _kind, _array: None
) -> tuple[SpoolFile, ...]:
    """Write every picture, clip and sound of a pipeline's output object under `folder`.

    Args:
        check: called with each kind and array before any is written: uint8 (height, width, channels) or (frames,
            height, width, channels), float32 (samples, channels). It raises for what may not leave the process.

    Raises:
        ValueError: it holds none, or an array of an unknown shape.
        ModerationBlocked: the pipeline's own safety checker blacked a picture out.
    """
    rates = {"video": DEFAULT_FRAME_RATE, "audio": DEFAULT_SAMPLE_RATE, **(rates or {})}
    _refuse_blackened(output)
    ready: list[tuple[Kind, Array]] = []
    for kind, value in _media(output):
        for array in _items(kind, value):
            ready.append((kind, _samples(array) if kind == "audio" else _pixels(array)))
            check(*ready[-1])
    if not ready:
        raise ValueError(f"the pipeline returned {type(output).__name__} without pictures, frames or sound.")
    return tuple(
        write_spool(
            folder,
            np.ascontiguousarray(array).data.cast("B"),
            array.shape,
            dtype=str(array.dtype),
            kind=kind,
            rate=rates.get(kind),
        )
        for kind, array in ready
    )


def _refuse_blackened(output: Any) -> None:
    flags = getattr(output, "nsfw_content_detected", None)
    if isinstance(flags, Iterable) and any(flags):
        raise ModerationBlocked(
            "The model's own safety checker refused the picture.", remedy="Ask otherwise, or use another seed."
        )


def _media(output: Any) -> Iterator[tuple[Kind, Any]]:
    if isinstance(output, Mapping) or hasattr(output, "__dict__"):
        values = output if isinstance(output, Mapping) else vars(output)
        for name, kind in FIELDS.items():
            if values.get(name) is not None:
                yield kind, values[name]
    elif isinstance(output, tuple) and output:
        yield "image", output[0]
    elif output is not None:
        yield "image", output


def _items(kind: Kind, value: Any) -> Iterator[Array]:
    """The single pictures (h, w, c), clips (f, h, w, c) or sounds (samples, channels) of a batch."""
    single_dimensions = {"image": 3, "video": 4, "audio": 2}[kind]
    if isinstance(value, (list, tuple)):
        if kind == "video" and value and _array(value[0]).ndim == 3:
            yield np.stack([_pixels(_array(frame)) for frame in value])
            return
        for member in value:
            yield from _items(kind, member)
        return
    array = _array(value)
    if array.ndim == 2 and kind == "image":
        array = array[..., None]
    if array.ndim == 1 and kind == "audio":
        array = array[:, None]
    if array.ndim == single_dimensions + 1:
        yield from (_channels_last(kind, member) for member in array)
    elif array.ndim == single_dimensions:
        yield _channels_last(kind, array)
    else:
        raise ValueError(f"a {kind} of shape {array.shape} is not understood.")


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    return np.asarray(value)


def _channels_last(kind: Kind, array: Array) -> Array:
    """Torch puts channels first: (c, h, w), (f, c, h, w), (channels, samples)."""
    if kind == "audio":
        return array.T if array.shape[0] <= 8 < array.shape[1] else array
    if array.shape[-1] in (1, 3, 4):
        return array
    if array.shape[-3] in (1, 3, 4):
        return np.moveaxis(array, -3, -1)
    raise ValueError(f"a {kind} of shape {array.shape} has no channel axis of 1, 3 or 4.")


def _pixels(array: Array) -> Array:
    if array.dtype == np.uint8:
        return array
    _check_numbers("pixels", array)
    return (np.clip(array, 0.0, 1.0) * 255).round().astype(np.uint8)


def _check_numbers(what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise ValueError(f"the pipeline returned {what} that are not numbers (NaN or infinity).")


def _samples(array: Array) -> Array:
    _check_numbers("samples", array)
    return np.clip(array, -1.0, 1.0).astype(np.float32)
