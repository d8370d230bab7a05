"""Outputs become files that other programs read, with the parameters inside; bad inputs are refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import ExifTags, Image

from omni_jobs import __version__
from omni_jobs.errors import InvalidMedia, InvalidRequest
from omni_jobs.schemas import OutputOptions
from workers.engine_process import SpoolFile, write_spool
from workers.media import decode_input, encode

PARAMETERS = {
    "model": "tiny",
    "prompt": "a füchslein",
    "negative_prompt": "blurry",
    "seed": 7,
    "parameters": {"num_inference_steps": 20, "guidance_scale": 7.0, "width": 1, "note": "red, round"},
}
TEXT = (
    "a füchslein\nNegative prompt: blurry\n"
    'Steps: 20, CFG scale: 7.0, Seed: 7, Size: 12x8, Model: tiny, note: "red, round", '
    f"Version: omni-jobs {__version__}"
)


def spooled(folder: Path, *shape: int, kind: str = "image", rate: float | None = None) -> SpoolFile:
    pixels = np.arange(int(np.prod(shape)), dtype=np.uint32).astype(np.uint8).reshape(shape)
    return write_spool(folder, pixels.tobytes(), shape, kind=kind, rate=rate)  # type: ignore[arg-type]


def test_png_keeps_every_pixel_and_its_parameters(tmp_path: Path) -> None:
    file = spooled(tmp_path, 8, 12, 3)
    pixels = file.read()
    encoded = encode(file, OutputOptions(), PARAMETERS)
    with Image.open(io.BytesIO(encoded.content)) as picture:
        assert picture.tobytes() == pixels
        assert json.loads(picture.info["omni_jobs"]) == PARAMETERS
        assert picture.info["parameters"] == TEXT
    assert (encoded.width, encoded.height, encoded.content_type) == (12, 8, "image/png")
    assert not Path(file.path).exists()


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_lossy_pictures_carry_their_parameters(tmp_path: Path, name: str) -> None:
    encoded = encode(spooled(tmp_path, 8, 12, 3), OutputOptions(format=name), PARAMETERS)
    with Image.open(io.BytesIO(encoded.content)) as picture:
        exif = picture.getexif()
        comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        assert picture.format == name.upper()
        assert json.loads(exif[ExifTags.Base.ImageDescription]) == PARAMETERS
    assert comment.removeprefix(b"UNICODE\0").decode("utf-16-be") == TEXT


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_parameters_stay_out_when_the_job_says_so(tmp_path: Path, name: str) -> None:
    options = OutputOptions(format=name, embed_metadata=False)
    encoded = encode(spooled(tmp_path, 8, 8, 3), options, PARAMETERS)
    with Image.open(io.BytesIO(encoded.content)) as picture:
        assert not {"omni_jobs", "parameters", "exif"} & set(picture.info)
    assert "füchslein".encode("utf-16-be") not in encoded.content


@pytest.mark.parametrize(("characters", "is_told"), [(14_000, True), (32_000, False)])
def test_a_prompt_too_long_for_a_jpeg_does_not_fail_the_job(
    tmp_path: Path, characters: int, is_told: bool
) -> None:
    facts = PARAMETERS | {"prompt": "🦊" * characters}
    encoded = encode(spooled(tmp_path, 8, 8, 3), OutputOptions(format="jpeg"), facts)
    with Image.open(io.BytesIO(encoded.content)) as picture:
        exif = picture.getexif()
        assert ExifTags.Base.ImageDescription not in exif
        assert (ExifTags.Base.UserComment in exif.get_ifd(ExifTags.IFD.Exif)) is is_told


def test_a_clip_of_odd_size_plays_with_all_its_frames(tmp_path: Path) -> None:
    encoded = encode(spooled(tmp_path, 5, 33, 47, 3, kind="video", rate=8), OutputOptions(), PARAMETERS)
    with av.open(io.BytesIO(encoded.content)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5
        assert container.streams.video[0].average_rate == 8
        assert json.loads(container.metadata["comment"]) == PARAMETERS


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_sound_keeps_its_samples(tmp_path: Path, name: str) -> None:
    samples = np.sin(np.linspace(0, 40, 4000, dtype=np.float32))[:, None].repeat(2, 1)
    file = write_spool(tmp_path, samples.tobytes(), (4000, 2), dtype="float32", kind="audio", rate=8000)
    encoded = encode(file, OutputOptions(format=name), PARAMETERS)
    with av.open(io.BytesIO(encoded.content)) as container:
        assert json.loads(container.metadata["comment"]) == PARAMETERS
        assert sum(frame.samples for frame in container.decode(audio=0)) == 4000


def test_a_format_that_cannot_hold_the_output_is_refused_by_name(tmp_path: Path) -> None:
    file = spooled(tmp_path, 2, 8, 8, 3, kind="video")
    with pytest.raises(InvalidRequest, match=r"output.format.*mp4"):
        encode(file, OutputOptions(format="png"))
    assert not Path(file.path).exists()


def test_tensors_pass_as_they_are_whatever_the_media_format(tmp_path: Path) -> None:
    encoded = encode(spooled(tmp_path, 40, kind="tensors"), OutputOptions(format="webp"), PARAMETERS)
    assert (encoded.content_type, encoded.extension) == ("application/safetensors", "safetensors")
    assert len(encoded.content) == 40
    assert (encoded.width, encoded.height) == (None, None)


def picture_bytes(name: str = "PNG", size: tuple[int, int] = (8, 4), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 255).save(buffer, name)
    return buffer.getvalue()


def test_inputs_become_rgb_and_masks_one_channel(tmp_path: Path) -> None:
    assert decode_input(picture_bytes(mode="LA"), "images.0", 100, tmp_path).shape == (4, 8, 3)
    assert decode_input(picture_bytes(), "mask", 100, tmp_path, mask=True).shape == (4, 8, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable picture"),
        (b"GIF89a but no picture", "not a readable picture"),
        (picture_bytes()[:40], "not a readable picture"),
        (picture_bytes(size=(100, 100)), "more than 64 pixels"),
        (b"%PDF-1.4 words", "not a readable picture"),
    ],
)
def test_bad_inputs_are_refused_by_field(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InvalidMedia, match=words) as caught:
        decode_input(content, "images.0", 64, tmp_path)
    assert caught.value.field == "images.0"
    assert not list(tmp_path.iterdir())
