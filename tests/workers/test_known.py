"""Models known by name: every packaged row fits the pipeline that it names; plug-ins and registered ones too."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from omni_jobs.errors import InvalidRequest, Misconfigured
from omni_jobs.schemas import JobRequest
from workers import known
from workers.cards import CARRIED, derive_card
from workers.registry import read_rows, register_model, row_from

diffusers = pytest.importorskip("diffusers")
NAMES = list(known.packaged_rows())


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(known, "_registered", {})
    yield
    known._plugins.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_row_fits_the_pipeline_that_it_names(name: str) -> None:
    """Each default is a parameter of the class and within the row's own limits; each limit bounds a parameter."""
    row = row_from(name, {})
    pipeline_class = getattr(diffusers, str(row.pipeline_class))
    card = derive_card(row, pipeline_class)
    plain = derive_card(row_from("plain", {"source": "simulated"}), pipeline_class)
    offered = plain.parameters_schema["properties"]
    private = {"_auto_resize"}  # a switch of the pipeline that jobs are not offered
    assert row.defaults.keys() <= offered.keys() | CARRIED | private
    assert row.limits.keys() <= offered.keys()
    for parameter, value in row.defaults.items():
        schema = card.parameters_schema["properties"].get(parameter, {})
        assert Draft202012Validator(schema).is_valid(value), (parameter, value, schema)
    assert card.accepts_negative_prompt or "negative_prompt" not in row.defaults
    assert row.licence
    assert row.description
    task = card.tasks[0]
    images = ["upl_1"] if task == "edit" else []
    card.validate_job(
        JobRequest.model_validate({"model": name, "prompt": "a fox", "task": task, "images": images})
    )


def test_the_models_that_users_ask_for_first_are_known() -> None:
    first = (
        "flux-dev flux-schnell flux-kontext* flux2-dev* longcat-image longcat-image-edit+ qwen-image "
        "qwen-image-edit+ qwen-image-edit-plus+ wan2.2-t2v wan2.2-i2v+ z-image z-image-turbo sd3.5-large sdxl "
        "sdxl-turbo sana chroma hunyuan-image ltx-video ltx-video-i2v+ stable-audio"
    )
    tasks = {"*": ("generate", "edit"), "+": ("edit",)}
    for word in first.split():
        name, expected = word.rstrip("*+"), tasks.get(word[-1], ("generate",))
        row = row_from(name, {})
        assert derive_card(row, getattr(diffusers, str(row.pipeline_class))).tasks == expected, name


def test_names_aliases_and_hub_ids_are_unambiguous() -> None:
    rows = known.packaged_rows()
    names = [*rows, *(alias for row in rows.values() for alias in row.get("aliases", ()))]
    assert len(names) == len(set(names))
    for name, row in rows.items():
        for alias in row.get("aliases", ()):
            assert row_from(alias, {}).source == row_from(name, {}).source


def test_a_known_model_needs_its_name_alone_and_serves_under_it() -> None:
    rows = read_rows(None, ["qwen-image", "flux.1-schnell", "black-forest-labs/FLUX.1-dev", "fast=z-image-turbo"])
    assert [(row.name, row.source) for row in rows] == [
        ("qwen-image", "Qwen/Qwen-Image"),
        ("flux.1-schnell", "black-forest-labs/FLUX.1-schnell"),
        ("black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-dev"),
        ("fast", "Tongyi-MAI/Z-Image-Turbo"),
    ]
    assert rows[3].defaults["num_inference_steps"] == 8


def test_other_weights_of_a_known_model_keep_its_facts_but_not_those_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    (row,) = read_rows(None, [f"sdxl={tmp_path}"])
    assert (row.defaults["guidance_scale"], row.variant) == (5.0, None)
    assert row_from("sdxl", {}).variant == "fp16"


def test_limits_of_a_row_are_refused_by_name() -> None:
    row = row_from("flux-schnell", {})
    card = derive_card(row, diffusers.FluxPipeline)
    with pytest.raises(InvalidRequest, match=r"num_inference_steps.*maximum of 20"):
        card.validate_job(JobRequest(model="m", prompt="p", parameters={"num_inference_steps": 21}))
    with pytest.raises(InvalidRequest, match="2048x2048 is 4194304 pixels"):
        card.validate_job(JobRequest(model="m", prompt="p", parameters={"width": 2048, "height": 2048}))


def test_a_registered_model_is_known_by_name_and_alias_and_its_mistakes_are_refused() -> None:
    register_model("mine", "./mine", aliases=["my-own"], dtype="bfloat16", defaults={"num_inference_steps": 3})
    assert row_from("my-own", {}).defaults == {"num_inference_steps": 3}
    assert "mine" in known.known_names()
    with pytest.raises(Misconfigured, match="Did you mean `defaults`"):
        register_model("other", "./other", default={"num_inference_steps": 3})


def plugin(folder: Path, body: str) -> None:
    """An installed distribution with one entry point, as pip would leave it."""
    (folder / "their_rows.py").write_text(textwrap.dedent(body))
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[omni_jobs.models]\ntheirs = their_rows:ROW\n")


def ask(folder: Path, program: str) -> str:
    """What a fresh Python with the plug-in on its path says."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_plug_in_is_read_when_its_model_is_asked_for(tmp_path: Path) -> None:
    plugin(tmp_path, 'ROW = {"source": "org/theirs", "pipeline_class": "theirs.Pipeline", "caps": "fixed(4)"}\n')
    told = ask(
        tmp_path,
        "from workers.registry import read_rows\nfrom workers.known import known_names\n"
        "print('theirs' in known_names(), 'their_rows' in sys.modules)\n"
        "print(read_rows(None, ['theirs'])[0].engine_config().model_class_name)",
    )
    assert told.splitlines() == ["True False", "theirs.Pipeline"]


@pytest.mark.parametrize(
    ("body", "words"),
    [("import torch\nROW = {}\n", "does not import torch"), ("rows = {}\n", "cannot be imported")],
)
def test_a_plug_in_that_cannot_be_read_is_named(tmp_path: Path, body: str, words: str) -> None:
    plugin(tmp_path, body)
    told = ask(
        tmp_path,
        "from workers.registry import read_rows\nfrom omni_jobs.errors import Misconfigured\n"
        "try: read_rows(None, ['theirs'])\nexcept Misconfigured as error: print(error)",
    )
    assert words in told
    assert "theirs" in told
