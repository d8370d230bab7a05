"""Each fault of `docs/troubleshooting.md`, planted in a real pipeline, is found and named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.zoo import case
from tests.stepping.pipelines import Denoiser, tiny
from workers.registry import ModelRow
from workers.verification import Finding, Group, Subject, check, finding, run_checks
from workers.verification.examine import examine

SMALL = {"height": 32, "width": 48}
STEPS = 2


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdxl")
    case("sdxl").build().save_pretrained(folder)
    return folder


@pytest.fixture
def copied(sdxl: Path, tmp_path: Path) -> Path:
    """The folder again, to be spoilt; weights that stay are links."""
    for path in sdxl.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(sdxl)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    return tmp_path


def spoil(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace a linked file by one that is changed."""
    is_json = path.suffix == ".json"
    content = change(json.loads(path.read_text()) if is_json else load_file(path))
    path.unlink()
    if is_json:
        path.write_text(json.dumps(content))
    else:
        save_file(content, path)


def wrong(found: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in found if one.state in ("wrong", "warning")}


def looked_at(folder: Path, **facts: Any) -> list[Finding]:
    return list(examine(ModelRow("m", str(folder), **{"defaults": SMALL, **facts}), STEPS))


def test_a_sound_model_is_loaded_compared_and_measured(sdxl: Path) -> None:
    found = {one.name: one for one in looked_at(sdxl)}
    assert not wrong(list(found.values()))
    assert {"import", "alone", "together", "media", "speed", "sharing", "memory"} <= found.keys()
    assert found["alone"].figures["difference"] == 0
    assert found["together"].figures["difference"] <= found["together"].figures["bound"] < 1e-2
    assert found["media"].text == "image of 32x48x3"
    assert found["sharing"].figures["forwards"] < found["sharing"].figures["calls"]
    assert found["memory"].figures["weight_bytes"] > 1000


def test_what_could_be_spread_over_ranks_is_told_by_option(sdxl: Path) -> None:
    subject = Subject.load(ModelRow("m", str(sdxl), defaults=SMALL), STEPS)
    found = {one.name: one for _group, one in run_checks(subject, [Group.PARALLEL])}
    states = {name: one.state for name, one in found.items()}
    assert states == {
        "tensor_parallel_size": "skipped",
        "ulysses_degree": "skipped",
        "ring_degree": "skipped",
        "cfg_parallel_size": "ok",
        "vae_patch_parallel_size": "ok",
    }
    assert "no plan for dividing the weights of UNet2DConditionModel" in found["tensor_parallel_size"].text


def test_a_class_that_does_not_exist_is_an_import_fault(copied: Path) -> None:
    (only,) = looked_at(copied, pipeline_class="no_such_package.Pipeline")
    assert (only.name, only.state) == ("import", "wrong")
    spoil(copied / "model_index.json", lambda index: index | {"unet": ["diffusers", "NoSuchModel"]})
    (only,) = looked_at(copied)
    assert (only.name, only.state) == ("import", "wrong")
    assert "NoSuchModel" in only.text
    assert only.remedy


def test_weights_of_another_shape_are_a_fault_of_shapes(copied: Path) -> None:
    spoil(copied / "unet" / "config.json", lambda config: config | {"cross_attention_dim": 48})
    (only,) = looked_at(copied)
    assert (only.name, only.state) == ("shapes", "wrong")
    assert "config.json" in str(only.remedy)


def test_a_size_that_the_model_refuses_is_a_fault_of_shapes(sdxl: Path) -> None:
    faults = wrong(looked_at(sdxl, defaults={"height": 33, "width": 48}))
    assert "divisible by 8" in faults["shapes"].text
    assert "multiples" in str(faults["shapes"].remedy)


def test_weights_that_are_missing_are_heard_of(copied: Path) -> None:
    weights = next((copied / "unet").glob("*.safetensors"))
    spoil(weights, lambda tensors: {name: one for name, one in tensors.items() if name != "conv_in.weight"})
    faults = wrong(looked_at(copied))
    assert "conv_in.weight" in faults["weights"].text


def test_pixels_that_are_no_numbers_are_a_fault_of_the_output(sdxl: Path) -> None:
    subject = Subject.load(ModelRow("m", str(sdxl), defaults=SMALL), STEPS)
    for parameter in subject.pipeline.vae.decoder.conv_out.parameters():
        parameter.data.fill_(float("nan"))
    faults = wrong([one for _group, one in run_checks(subject, [Group.OUTPUT])])
    assert "not numbers" in faults["output"].text
    assert "float32" in str(faults["output"].remedy)


def test_one_colour_and_another_size_are_noticed(sdxl: Path) -> None:
    subject = Subject.load(ModelRow("m", str(sdxl), defaults=SMALL), STEPS)
    for parameter in subject.pipeline.vae.decoder.conv_out.parameters():
        parameter.data.zero_()
    texts = [one.text for _group, one in run_checks(subject, [Group.OUTPUT]) if one.state == "warning"]
    assert texts == ["the picture is one colour"]


class Moody(Denoiser):
    """Draws from a generator that nobody seeds."""

    def forward(self, hidden_states: torch.Tensor, timestep: Any, extras: Any = None) -> torch.Tensor:
        return super().forward(hidden_states, timestep, extras) + random.random()


class Full(Denoiser):
    """Finds no room."""

    def forward(self, hidden_states: torch.Tensor, timestep: Any, extras: Any = None) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def examined(denoiser: Denoiser, *groups: Group) -> dict[str, Finding]:
    pipeline = tiny()
    pipeline.register_modules(unet=denoiser)
    pipeline.__class__ = type("Tiny", (Tiny, type(pipeline)), {})
    return wrong([one for _group, one in run_checks(Subject(ModelRow("m", "x/y"), pipeline, STEPS), groups)])


class Tiny:
    """A call that takes a prompt, as checks give one."""

    def __call__(self, prompt: str | None = None, generator: Any = None, num_inference_steps: int = 3) -> Any:
        return super().__call__(generator, num_inference_steps)  # type: ignore[misc]


def test_a_model_that_is_not_repeatable_is_told_apart_from_one_that_is_served_wrongly() -> None:
    faults = examined(Moody(), Group.OUTPUT)
    assert "Two plain calls with one seed differ as well" in str(faults["output"].remedy)


def test_a_full_device_is_a_fault_of_memory_and_names_the_component() -> None:
    faults = examined(Full(), Group.OUTPUT)
    assert "2.00 GiB (in unet, Full)" in faults["memory"].text
    assert "fixed(1)" in str(faults["memory"].remedy)


def test_calls_that_run_alone_are_why_a_model_is_slow() -> None:
    faults = examined(Denoiser("random"), Group.OUTPUT, Group.SPEED)
    assert "ran alone: it draws random numbers" in faults["speed"].text


def test_other_parts_add_checks_of_their_own(monkeypatch: pytest.MonkeyPatch, sdxl: Path) -> None:
    monkeypatch.setattr(finding, "CHECKS", {})
    monkeypatch.setattr(finding, "MODULES", ())

    @check("two ranks", Group.PARALLEL)
    def two_ranks(_subject: Subject) -> list[Finding]:
        return [Finding("two ranks", "ok", "the same bytes")]

    pipeline = tiny()
    found = list(run_checks(Subject(ModelRow("m", "x/y"), pipeline)))
    assert found == [(Group.PARALLEL, Finding("two ranks", "ok", "the same bytes"))]
