"""What the faces decide without a server: fields, models, pictures, partial images."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omni_jobs.api.faces.catalogue import find_model, parse_aliases
from omni_jobs.api.faces.fields import Field, Table, extras_of, typed, unfolded
from omni_jobs.api.faces.pictures import given_text, own_id
from omni_jobs.api.fal import inputs as fal_inputs
from omni_jobs.api.openai import image_fields, video_shapes
from omni_jobs.api.openai.batch_lines import line_of
from omni_jobs.api.openai.image_answers import due_partial
from omni_jobs.api.openai.masks import white_where_transparent
from omni_jobs.api.replicate import inputs
from omni_jobs.bulk.manifest import BatchRequest
from omni_jobs.errors import InvalidRequest, Misconfigured, UnknownModel
from tests.api.conftest import card, picture

BASE = "http://here:8000/omni"


def test_a_forms_brackets_are_undone() -> None:
    pairs = [("a", "1"), ("b[]", "x"), ("b[]", "y"), ("c[0]", "z"), ("d[k]", "v"), ("d[l]", "w")]
    assert unfolded(pairs) == {"a": "1", "b": ["x", "y"], "c": ["z"], "d": {"k": "v", "l": "w"}}


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=20))
def test_no_form_breaks_the_parser(pairs: list[tuple[str, str]]) -> None:
    assert set(unfolded(pairs)) <= {name.partition("[")[0] for name, _ in pairs}


@given(st.integers(-(10**9), 10**9))
def test_a_forms_numbers_are_numbers_and_its_texts_stay_texts(number: int) -> None:
    body = typed({"seed": str(number), "prompt": str(number), "num_inference_steps": str(number)}, Table(), card())
    assert body == {"seed": number, "prompt": str(number), "num_inference_steps": number}


def test_fields_are_kept_dropped_or_refused_by_the_table() -> None:
    table = Table(Field("kept"), Field("dropped", "ignored"), Field("refused", "refused", "not made here."))
    body = {"kept": 1, "dropped": 2, "extra": 3, "refused": None}
    assert table.pick(body, ("extra",)) == {"kept": 1, "extra": 3}
    with pytest.raises(InvalidRequest, match="not made here"):
        table.pick({"refused": 1})
    with pytest.raises(InvalidRequest, match="Did you mean `kept`"):
        table.pick({"kpet": 1})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("flux", "flux"),
        ("acme/flux", "flux"),
        ("acme/flux:3f2a", "flux"),
        ("fal-ai/mine", "sdxl"),
        ("gpt-image-9", "sdxl"),
        ("org/own", "org/own"),
    ],
)
def test_a_model_is_found_by_what_other_clients_call_it(wanted: str, found: str) -> None:
    cards = [card("flux"), card("sdxl"), card("org/own")]
    assert find_model(cards, wanted, aliases=parse_aliases("mine=sdxl, gpt-image-9=sdxl")).name == found


def test_the_only_model_needs_no_name_and_another_vendors_name_means_it() -> None:
    for wanted in (None, "gpt-image-1.5", "dall-e-3"):
        assert find_model([card("flux")], wanted, aliases={}, media="image").name == "flux"
    with pytest.raises(UnknownModel, match="Say one of: a, b"):
        find_model([card("a"), card("b")], None, aliases={})
    with pytest.raises(UnknownModel, match="Did you mean `flux`"):
        find_model([card("flux")], "flix", aliases={})
    assert find_model([card("flux"), card("b")], "anything/else", aliases=parse_aliases("*=b")).name == "b"
    with pytest.raises(Misconfigured, match="NAME=MODEL"):
        parse_aliases("gpt-image-1")


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("upl_01", "upl_01"),
        (f"{BASE}/v1/artifacts/art_0f_0", "art_0f_0"),
        (f"{BASE}/v1/objects/out/me/job_0f/2/1.png?expires=1&signature=2", "art_0f_1"),
        (f"{BASE}/v1/objects/out/you/job_0f/2/1.png", None),
        ("http://there/v1/artifacts/art_0f_0", None),
        ("https://example.com/a.png", None),
    ],
)
def test_ids_and_links_of_ours_name_pictures(reference: str, found: str | None) -> None:
    assert own_id(reference, "me", BASE) == found


@given(st.binary(max_size=60))
def test_a_data_uri_gives_its_bytes(data: bytes) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    assert given_text(uri, "image").data == data


@pytest.mark.parametrize("uri", ["data:image/png;base64", "data:image/png;base64,?", "", 7, None])
def test_what_names_no_picture_is_refused(uri: object) -> None:
    with pytest.raises(InvalidRequest):
        given_text(uri, "image")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60).map(sorted), st.integers(0, 3))
def test_partial_images_are_never_more_than_asked_for(percents: list[float], wanted: int) -> None:
    sent = 0
    for percent in percents:
        if due_partial(percent, sent, wanted):
            sent += 1
            assert percent > 0
    assert sent <= wanted


def test_a_transparent_mask_becomes_white_where_it_was_transparent() -> None:
    mask = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 4, 8))
    file = BytesIO()
    mask.save(file, "PNG")
    white = Image.open(BytesIO(white_where_transparent(file.getvalue(), max_bytes=10**6, max_pixels=10**6)))
    assert [white.getpixel((x, 0)) for x in (0, 7)] == [255, 0]
    plain = picture()
    assert white_where_transparent(plain, max_bytes=10**6, max_pixels=10**6) == plain


#: Any JSON, as a stranger sends it.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def bodies_of(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from([*table.fields, *extras_of(card())]), VALUES, max_size=5)


def image_job(body: dict[str, Any]) -> None:
    picked = image_fields.EDIT.pick(body, extras_of(card()))
    image_fields.json_pictures(picked)
    image_fields.answering(picked)
    image_fields.job_of(picked, card(), images=["upl_0"], is_edit=True)


def video_job(body: dict[str, Any]) -> None:
    picked = video_shapes.VIDEO.pick(body, extras_of(card()))
    video_shapes.job_of(picked, card().model_copy(update={"media": "video"}))


def prediction_job(body: dict[str, Any]) -> None:
    picked = inputs.picked_input({"input": body}, card())
    inputs.pictures_of(picked)
    inputs.job_of(inputs.PREDICTION.pick({"id": "mine"}), picked, card())


def fal_job(body: dict[str, Any]) -> None:
    picked = fal_inputs.picked_input(body, card())
    fal_inputs.pictures_of(picked)
    fal_inputs.job_of(picked, card(), headers={})


def batch_line(body: dict[str, Any]) -> None:
    line_of(BatchRequest(1, "1", "/v1/images/generations", body), "/v1/images/generations", [card()], {})


@settings(deadline=None)
@pytest.mark.parametrize(
    ("translate", "table"),
    [
        (image_job, image_fields.EDIT),
        (video_job, video_shapes.VIDEO),
        (prediction_job, inputs.INPUT),
        (fal_job, fal_inputs.INPUT),
        (batch_line, image_fields.GENERATION),
    ],
)
@given(data=st.data())
def test_whatever_is_sent_is_a_job_or_a_refusal(
    translate: Callable[[dict[str, Any]], None], table: Table, data: st.DataObject
) -> None:
    with suppress(InvalidRequest):
        translate(data.draw(bodies_of(table)) | {"prompt": "x"})
