"""OpenAI's own client, unmodified: pictures drawn, edited and streamed; only base URL and key are ours."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types import ImagesResponse
from PIL import Image, ImageDraw

from tests.faces.conftest import Service


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key=service.key, max_retries=0) as opened:
        yield opened


def opened(b64: str | None) -> Image.Image:
    assert b64 is not None
    return Image.open(io.BytesIO(base64.b64decode(b64)))


def png(image: Image.Image) -> tuple[str, bytes, str]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "in.png", file.getvalue(), "image/png"


def middle(image: Image.Image) -> tuple[int, int, int]:
    rgb = image.convert("RGB")
    return rgb.getpixel((rgb.width // 2, rgb.height // 2))


def red_circle(ground: str = "white") -> Image.Image:
    image = Image.new("RGB", (64, 64), ground)
    ImageDraw.Draw(image).ellipse((14, 14, 50, 50), fill="red")
    return image


def test_a_picture_is_drawn_and_the_same_job_is_seen_natively(client: OpenAI, service: Service) -> None:
    answer = client.images.generate(
        model="gpt-image-1",
        prompt="a red circle on white",
        size="64x64",
        quality="high",
        extra_body={"seed": 7, "num_inference_steps": 8, "tags": ["face"]},
    )
    assert answer.data is not None
    picture = opened(answer.data[0].b64_json)
    assert (picture.format, picture.size) == ("PNG", (64, 64))
    red, green, blue = middle(picture)
    assert red > 150
    assert max(green, blue) < 100
    assert (answer.size, answer.output_format) == ("64x64", "png")
    with service.http as http:
        job = http.get(f"/v1/jobs/{answer.to_dict()['id']}").json()
    assert (job["seed"], job["request"]["model"], job["request"]["tags"]) == (7, "shapes", ["face"])
    assert job["artifacts"][0]["seed"] == answer.data[0].to_dict()["seed"] == 7


@pytest.mark.parametrize(("kind", "format"), [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_formats_and_compression(client: OpenAI, kind: Any, format: str) -> None:
    sizes = []
    for compression in (100, 10):
        answer = client.images.generate(
            model="sim", prompt="a fox", n=2, output_format=kind, output_compression=compression,
            extra_body={"seed": 3, "width": 64, "height": 64},
        )  # fmt: skip
        assert answer.data is not None
        assert [opened(one.b64_json).format for one in answer.data] == [format, format]
        sizes.append(len(base64.b64decode(answer.data[0].b64_json or "")))
        seeds = [one.to_dict()["seed"] for one in answer.data]
        assert seeds == [3, 4]
    assert sizes[0] > sizes[1]


def test_a_link_is_an_image_that_needs_no_key(client: OpenAI) -> None:
    answer = client.images.generate(model="sim", prompt="a fox", response_format="url")
    assert answer.data is not None
    assert answer.data[0].b64_json is None
    shown = httpx.get(answer.data[0].url or "")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")


def test_an_edit_as_a_form_and_as_json(client: OpenAI, service: Service) -> None:
    answer = client.images.edit(
        model="shapes", prompt="make the circle blue", image=png(red_circle()), extra_body={"seed": 5}
    )
    assert answer.data is not None
    assert middle(opened(answer.data[0].b64_json))[2] > 150
    uri = "data:image/png;base64," + base64.b64encode(png(red_circle())[1]).decode()
    body = {"model": "shapes", "prompt": "make the circle blue", "images": [{"image_url": uri}], "seed": 5}
    with service.http as http:
        told = http.post("/v1/images/edits", json=body).json()
        pictures = [opened(one).tobytes() for one in (told["data"][0]["b64_json"], answer.data[0].b64_json)]
        assert pictures[0] == pictures[1]
        again = http.post("/v1/images/edits", json=body | {"images": [{"file_id": told["data"][0]["id"]}]})
    assert again.status_code == 200


def test_a_stream_shows_partial_images_and_then_the_finished_one(client: OpenAI) -> None:
    stream = client.images.generate(
        model="shapes", prompt="a green star on black", size="64x64", stream=True, partial_images=2,
        output_format="webp", extra_body={"num_inference_steps": 50},
    )  # fmt: skip
    events = list(stream)
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    assert partial
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    for event in events:
        picture = opened(event.b64_json)
        assert (picture.format, picture.size) == ("WEBP", (64, 64))
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.total_tokens == 0


def test_an_edit_streams_under_its_own_name(client: OpenAI) -> None:
    events = list(
        client.images.edit(model="shapes", prompt="make it blue", image=[png(red_circle())], stream=True)
    )
    assert [event.type for event in events] == ["image_edit.completed"]


def test_a_job_that_fails_is_told_once_and_never_retried(service: Service) -> None:
    """The client retries a 500 twice unless it is told not to."""
    calls: list[httpx.Request] = []
    with OpenAI(base_url=f"{service.url}/v1", api_key=service.key, max_retries=2) as client:
        client._client.event_hooks = {"request": [calls.append]}
        with pytest.raises(openai.APIStatusError) as told:
            client.images.generate(model="sim", prompt="a fox that cannot be drawn")
    assert len(calls) == 1
    assert told.value.response.headers["x-should-retry"] == "false"
    assert told.value.code == "execution_failed"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"promt": "x"}, "promt"),
        ({"size": "big"}, "size"),
        ({"background": "transparent"}, "background"),
        ({"num_inference_steps": "many"}, "parameters.num_inference_steps"),
        ({"svg": {}}, "svg"),
        ({"partial_images": 2}, "partial_images"),
    ],
)
def test_a_refusal_names_the_field(client: OpenAI, extra: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.images.generate(model="sim", prompt="a fox", extra_body=extra)
    assert (told.value.param, told.value.type) == (param, "invalid_request_error")


def test_models_and_a_wrong_key(client: OpenAI, service: Service) -> None:
    assert {"shapes", "sim"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("shapes").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")
    with (
        OpenAI(base_url=f"{service.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.images.generate(model="sim", prompt="x")


def test_files_are_kept_listed_used_in_an_edit_and_deleted(client: OpenAI) -> None:
    lines = client.files.create(
        file=("a.jsonl", b'{"custom_id": "1"}\n'), purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )  # fmt: skip
    assert (lines.bytes, lines.purpose, lines.filename) == (19, "batch", "a.jsonl")
    assert (lines.expires_at or 0) - lines.created_at == 3600
    shape = client.files.create(file=png(red_circle()), purpose="vision")
    assert client.files.content(lines.id).read() == b'{"custom_id": "1"}\n'
    ids = [file.id for file in client.files.list(purpose="vision", limit=1)]
    assert ids[0] == shape.id
    body = {"model": "shapes", "prompt": "make the circle blue", "images": [{"file_id": shape.id}]}
    edited = client.post("/images/edits", body=body, cast_to=ImagesResponse)
    assert edited.data is not None
    assert middle(opened(edited.data[0].b64_json))[2] > 150
    assert client.files.delete(lines.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(lines.id)
    with pytest.raises(openai.APIStatusError, match="PNG, JPEG or WebP"):
        client.files.create(file=("a.png", b"nothing"), purpose="vision")
