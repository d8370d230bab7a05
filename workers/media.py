"""Raw frames to files and files to raw frames: PNG, WebP, JPEG, MP4, WAV, FLAC. No torch; called by the slots.
Tensors pass as the safetensors file that they are.

Outputs carry the parameters that made them, unless the job says no: PNG as the texts `parameters` and `omni_jobs`,
JPEG and WebP in EXIF, clips and sounds as the comment of their container. Inputs are checked before decoding.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from omni_jobs.errors import InvalidMedia, InvalidRequest
from omni_jobs.schemas import OutputOptions
from workers.engine_process.spool import Kind, SpoolFile, write_spool
from workers.provenance import Provenance, provenance_of

#: The format of an output that asks for none.
DEFAULT_FORMATS: dict[Kind, str] = {"image": "png", "video": "mp4", "audio": "wav"}
#: The only format of what is no media, whatever the job asks for its media.
FIXED_FORMATS: dict[Kind, str] = {"tensors": "safetensors"}
CONTENT_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "safetensors": "application/safetensors",
}
EXTENSIONS = {"jpeg": "jpg"}
#: Key under which a PNG carries its facts, JSON.
FACTS_KEY = "omni_jobs"
#: A JPEG's EXIF is one segment.
JPEG_EXIF_BYTES = 65_533
#: Pillow's lock for `warnings`, which is process-wide.
_decoding = threading.Lock()
Frames = np.ndarray[Any, np.dtype[np.uint8]]
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
INPUT_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True)
class Encoded:
    """A finished file in memory."""

    content: bytes
    content_type: str
    extension: str
    width: int | None = None
    height: int | None = None


def encode(file: SpoolFile, options: OutputOptions, parameters: Mapping[str, Any] | None = None) -> Encoded:
    """One output as the file its job asked for; the spool file is removed.

    Raises:
        InvalidRequest: the format cannot hold what the model made.
    """
    name = FIXED_FORMATS.get(file.kind) or options.format or DEFAULT_FORMATS[file.kind]
    encoder = ENCODERS.get((file.kind, name))
    if encoder is None:
        file.remove()
        fitting = ", ".join(form for kind, form in ENCODERS if kind == file.kind)
        raise InvalidRequest(
            f"`output.format`: {name} cannot hold the {file.kind} that this model makes.",
            field="output.format",
            value=name,
            remedy=f"Use one of {fitting}.",
        )
    height, width = file.shape[-3:-1] if file.kind in ("image", "video") else (None, None)
    told = None
    if parameters and options.embed_metadata:
        told = provenance_of(parameters, None if width is None or height is None else (width, height))
    content = encoder(file, options, told)
    return Encoded(content, CONTENT_TYPES[name], EXTENSIONS.get(name, name), width, height)


def _picture(file: SpoolFile) -> Image.Image:
    height, width, channels = file.shape
    return Image.frombytes(MODES[channels], (width, height), file.take())


def _png(file: SpoolFile, _options: OutputOptions, told: Provenance | None) -> bytes:
    information = PngImagePlugin.PngInfo()
    if told is not None:
        # Latin-1 goes into a tEXt chunk, which every reader knows; the rest into iTXt.
        information.add_text("parameters", told.text)
        information.add_itxt(FACTS_KEY, told.json)
    return _saved(_picture(file), "PNG", pnginfo=information, compress_level=6)


def _jpeg(file: SpoolFile, options: OutputOptions, told: Provenance | None) -> bytes:
    return _saved(_picture(file).convert("RGB"), "JPEG", quality=options.quality, exif=_fitting_exif(told))


def _webp(file: SpoolFile, options: OutputOptions, told: Provenance | None) -> bytes:
    return _saved(_picture(file), "WEBP", quality=options.quality, exif=_exif(told) if told else b"")


def _saved(picture: Image.Image, name: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, **settings)
    return buffer.getvalue()


def _fitting_exif(told: Provenance | None) -> bytes:
    """What fits of it: EXIF in JPEG has 64 KB. The JSON goes first, then the rest; a job never fails for it."""
    if told is None:
        return b""
    versions = (_exif(told), _exif(replace(told, json="")))
    return next((exif for exif in versions if len(exif) <= JPEG_EXIF_BYTES), b"")


def _exif(told: Provenance) -> bytes:
    """The text as the user comment, where image tools look for it, and the JSON as the image's description."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + told.text.encode("utf-16-be")
    if told.json:
        exif[ExifTags.Base.ImageDescription] = told.json
    return bytes(exif.tobytes())


def _mp4(file: SpoolFile, options: OutputOptions, told: Provenance | None) -> bytes:
    """H.264 in 4:2:0, which needs even sides: an odd last row or column is repeated."""
    frames = np.frombuffer(file.take(), np.uint8).reshape(file.shape)[..., :3]
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), "edge")
    # A real file: moving the index to the front (faststart) reads it back.
    target = Path(file.path).with_suffix(".mp4")
    try:
        _write_clip(target, frames, file.rate or 16.0, options.quality, told)
        return target.read_bytes()
    finally:
        target.unlink(missing_ok=True)


def _write_clip(target: Path, frames: Frames, rate: float, quality: int, told: Provenance | None) -> None:
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as container:
        if told is not None:
            container.metadata["comment"] = told.json
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(round(51 - quality * 0.33)), "preset": "medium"}
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _sound(codec: str, name: str) -> Callable[[SpoolFile, OutputOptions, Provenance | None], bytes]:
    def encode_sound(file: SpoolFile, _options: OutputOptions, told: Provenance | None) -> bytes:
        samples = np.frombuffer(file.take(), np.float32).reshape(file.shape)
        whole = (np.clip(samples, -1, 1) * 32767).round().astype(np.int16)
        layout = "mono" if file.shape[1] == 1 else "stereo"
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=name) as container:
            if told is not None:
                container.metadata["comment"] = told.json
            stream = container.add_stream(codec, rate=int(file.rate or 44_100), layout=layout)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole.reshape(1, -1)), "s16", layout)
            frame.rate = int(file.rate or 44_100)
            for packet in (*stream.encode(frame), *stream.encode()):
                container.mux(packet)
        return buffer.getvalue()

    return encode_sound


ENCODERS: dict[tuple[Kind, str], Callable[[SpoolFile, OutputOptions, Provenance | None], bytes]] = {
    ("image", "png"): _png,
    ("image", "jpeg"): _jpeg,
    ("image", "webp"): _webp,
    ("video", "mp4"): _mp4,
    ("audio", "wav"): _sound("pcm_s16le", "wav"),
    ("audio", "flac"): _sound("flac", "flac"),
    ("tensors", "safetensors"): lambda file, _options, _told: file.take(),
}


def decode_input(content: bytes, field: str, max_pixels: int, folder: Path, *, mask: bool = False) -> SpoolFile:
    """A checked input picture as a spool file: RGB (or one channel for a mask), upright, its profile dropped.

    Raises:
        InvalidMedia: not a picture, broken, or more than `max_pixels`.
    """
    try:
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            picture = Image.open(io.BytesIO(content), formats=INPUT_FORMATS)
        if picture.width * picture.height > max_pixels:
            raise InvalidMedia(
                f"`{field}`: {picture.width}x{picture.height} is more than {max_pixels} pixels.",
                field=field,
                remedy="Send a smaller picture.",
            )
        upright = ImageOps.exif_transpose(picture).convert("L" if mask else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidMedia(f"`{field}`: is not a readable picture: {error}.", field=field) from error
    channels = 1 if mask else 3
    return write_spool(folder, upright.tobytes(), (upright.height, upright.width, channels))
