"""Only intact pictures within the limits come in, whatever they are called."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omni_jobs.errors import InvalidMedia
from omni_jobs.media_check import CONTENT_TYPES, check_picture
from tests.client.conftest import picture


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_pictures_that_are_taken(kind: str) -> None:
    facts = check_picture(picture(kind, 24))
    assert (facts.content_type, facts.width, facts.height) == (CONTENT_TYPES[kind], 24, 24)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PDF"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(InvalidMedia, match="PNG, JPEG or WebP"):
        check_picture(picture(kind))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(InvalidMedia):
        check_picture(data)


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_a_picture_cut_short(kind: str) -> None:
    file = BytesIO()
    Image.effect_noise((64, 64), 80).convert("RGB").save(file, kind)
    data = file.getvalue()
    with pytest.raises(InvalidMedia):
        check_picture(data[: len(data) // 2])


def test_limits() -> None:
    with pytest.raises(InvalidMedia, match="limit is 10"):
        check_picture(picture(), max_bytes=10)
    with pytest.raises(InvalidMedia, match="8x8 pixels"):
        check_picture(picture(), max_pixels=63)


@pytest.mark.parametrize("side", [10_000, 20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(InvalidMedia, match=r"pixels|broken"):
        check_picture(bomb)


@settings(max_examples=150, deadline=None, database=None)
@given(kind=st.sampled_from(sorted(CONTENT_TYPES)), place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_picture_is_taken_or_refused_and_nothing_else(kind: str, place: int, byte: int) -> None:
    data = bytearray(picture(kind, 16))
    data[place % len(data)] = byte
    try:
        facts = check_picture(bytes(data), max_pixels=10_000)
    except InvalidMedia:
        return
    assert facts.width * facts.height <= 10_000
