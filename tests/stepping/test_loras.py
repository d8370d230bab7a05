"""Requests with LoRA adapters of their own: exact alone, apart from each other, together with their like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

from benchmarks.zoo import case
from omni_jobs.errors import InvalidRequest
from tests.stepping.lora_files import TARGETS, asked, lora_file, with_adapters
from tests.stepping.test_omni import BOUND, greatest_difference
from workers import Omni
from workers.adapters import Adapters
from workers.engine import LoRARequest, OmniDiffusionSamplingParams
from workers.runner import DiffusionModelRunner


def runner_of(omni: Omni) -> DiffusionModelRunner:
    found: DiffusionModelRunner = omni._engine.executor.worker.model_runner  # type: ignore[attr-defined]
    return found


def adapters_of(omni: Omni) -> Adapters:
    return runner_of(omni).adapters


def inputs(name: str, seed: int = 1, prompt: str = "a red fox") -> dict[str, Any]:
    return case(name).inputs(seed=seed, prompt=prompt, steps=2)


@pytest.mark.parametrize("name", list(TARGETS))
def test_alone_each_request_is_what_plain_diffusers_makes_of_its_adapters(name: str, tmp_path: Path) -> None:
    pipeline = case(name).build()
    one, two = (lora_file(tmp_path, pipeline, TARGETS[name], seed) for seed in (1, 2))
    wanted: list[list[LoRARequest]] = [[asked(one, 0.7)], [], [asked(two), asked(one, -0.4)], [asked(one, 0.7)]]
    plain = [(with_adapters(pipeline, *loras) if loras else pipeline)(**inputs(name)) for loras in wanted]
    assert greatest_difference(plain[0], plain[1]) > 1e-3
    assert greatest_difference(plain[0], plain[2]) > 1e-3

    omni = Omni(pipeline=pipeline)
    for loras, expected in zip(wanted, plain, strict=True):
        (found,) = omni.map([inputs(name)], loras=[loras])
        assert greatest_difference(expected, found) == 0
    assert adapters_of(omni).loads == 2
    # The pipeline itself stays plain, while adapters are loaded and after they went.
    assert greatest_difference(plain[1], pipeline(**inputs(name))) == 0
    omni.close()
    parts = [part for component in TARGETS[name] for part in getattr(pipeline, component).modules()]
    assert not any(isinstance(part, BaseTunerLayer) for part in parts)


@pytest.mark.parametrize("name", ["sd", "flux"])
def test_together_only_requests_with_the_same_adapters_share_forwards(name: str, tmp_path: Path) -> None:
    pipeline = case(name).build()
    one, two = (lora_file(tmp_path, pipeline, TARGETS[name], seed) for seed in (1, 2))
    kinds: list[list[LoRARequest]] = [[], [asked(one)], [asked(one, 0.3)], [asked(two)]]
    loras = [kinds[index % 4] for index in range(8)]
    plain = [
        (with_adapters(pipeline, *own) if own else pipeline)(**inputs(name, seed))
        for seed, own in enumerate(loras)
    ]
    omni = Omni(pipeline=pipeline)
    together = omni.map([inputs(name, seed) for seed in range(8)], loras=loras)
    for expected, found in zip(plain, together, strict=True):
        assert greatest_difference(expected, found) <= BOUND
    # Two requests of each kind, in one forward.
    assert omni.stats.max_batch == 2
    assert omni.stats.forwards == omni.stats.calls / 2


def test_adapters_of_the_same_kind_share_one_proof(tmp_path: Path) -> None:
    pipeline = case("flux").build()
    files = [lora_file(tmp_path, pipeline, TARGETS["flux"], seed) for seed in (1, 2)]
    omni = Omni(pipeline=pipeline)
    omni.map([inputs("flux", seed) for seed in range(2)], loras=[[asked(files[0])]] * 2)
    proofs = omni.merge_rules(), runner_of(omni).prover.proofs
    omni.map([inputs("flux", seed) for seed in range(2)], loras=[[asked(files[1], 0.5)]] * 2)
    assert (omni.merge_rules(), runner_of(omni).prover.proofs) == proofs


def test_files_beyond_the_bound_are_forgotten_and_read_again(tmp_path: Path) -> None:
    pipeline = case("flux").build()
    files = [lora_file(tmp_path, pipeline, TARGETS["flux"], seed) for seed in (1, 2, 3)]
    plain = [with_adapters(pipeline, asked(path))(**inputs("flux")) for path in files]
    one_file = Omni(pipeline=pipeline)
    one_file.map([inputs("flux")], loras=[[asked(files[0])]])
    size = adapters_of(one_file).size_bytes
    one_file.close()

    omni = Omni(pipeline=pipeline, lora_cache_bytes=2 * size)
    for index in (0, 1, 0, 2, 0, 1):
        (found,) = omni.map([inputs("flux")], loras=[[asked(files[index])]])
        assert greatest_difference(plain[index], found) == 0
        assert adapters_of(omni).size_bytes <= 2 * size
    # The least recently used one went each time: 0 stayed, 1 was read again.
    assert adapters_of(omni).loads == 4

    # Those in use stay, however many they are.
    omni.map([inputs("flux", seed) for seed in range(3)], loras=[[asked(path)] for path in files])
    omni.map([inputs("flux")], loras=[[asked(files[0])]])
    assert adapters_of(omni).size_bytes <= 2 * size


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    pipeline = case("flux").build()
    path = lora_file(tmp_path, pipeline, TARGETS["flux"], 1)
    omni = Omni(pipeline=pipeline)
    (before,) = omni.map([inputs("flux")], loras=[[asked(path)]])
    lora_file(tmp_path, case("flux").build(), TARGETS["flux"], 2).replace(path)
    (after,) = omni.map([inputs("flux")], loras=[[asked(path)]])
    assert greatest_difference(before, after) > 1e-3
    assert greatest_difference(with_adapters(case("flux").build(), asked(path))(**inputs("flux")), after) == 0


def other_model(folder: Path) -> Path:
    return lora_file(folder, case("sd").build(), {"unet": ["to_q"]}, 7)


def other_size(folder: Path) -> Path:
    path = lora_file(folder, case("flux").build(), {"transformer": ["to_q"]}, 8)
    save_file({name: torch.cat([value, value], -1) for name, value in load_file(path).items()}, path)
    return path


def with_norms(folder: Path) -> Path:
    path = lora_file(folder, case("flux").build(), {"transformer": ["to_q"]}, 9)
    norm = {"transformer.transformer_blocks.0.attn.norm_q.weight": torch.ones(4)}
    save_file(load_file(path) | norm, path)
    return path


def no_safetensors(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "adapter.safetensors"
    path.write_bytes(b"\x80\x04pickle")
    return path


def pickled(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save({}, folder / "adapter.bin")
    return folder / "adapter.bin"


@pytest.mark.parametrize("make", [other_model, other_size, with_norms, no_safetensors, pickled])
def test_a_file_that_does_not_fit_fails_its_own_request(make: Any, tmp_path: Path) -> None:
    pipeline = case("flux").build()
    good = lora_file(tmp_path, pipeline, TARGETS["flux"], 1)
    plain = pipeline(**inputs("flux")), with_adapters(pipeline, asked(good))(**inputs("flux"))
    bad = make(tmp_path / "bad")
    omni = Omni(pipeline=pipeline, caps="fixed(1)")
    loras: list[list[LoRARequest]] = [[], [asked(bad)], [asked(good)], [asked(good), asked(bad)]]
    base, first, adapted, second = omni.map([inputs("flux") for _ in loras], return_exceptions=True, loras=loras)
    assert isinstance(first, InvalidRequest)
    assert isinstance(second, InvalidRequest)
    assert bad.stem in str(first)
    assert greatest_difference(plain[0], base) == 0
    assert greatest_difference(plain[1], adapted) == 0


def test_what_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    pipeline = case("sd").build()
    path = lora_file(tmp_path, pipeline, TARGETS["sd"], 1)
    omni = Omni(pipeline=pipeline)
    with pytest.raises(InvalidRequest, match="twice"):
        omni.map([inputs("sd")], loras=[[asked(path), asked(path, 0.5)]])
    with pytest.raises(InvalidRequest, match="cross_attention_kwargs"):
        omni.map([inputs("sd") | {"cross_attention_kwargs": {"scale": 0.5}}], loras=[[asked(path)]])
    carrying = with_adapters(pipeline, asked(path))
    with pytest.raises(InvalidRequest, match="unload_lora_weights"):
        Omni(pipeline=carrying).map([inputs("sd")], loras=[[asked(path)]])


def test_a_pipeline_that_came_with_adapters_keeps_them(tmp_path: Path) -> None:
    pipeline = case("sd").build()
    carrying = with_adapters(pipeline, asked(lora_file(tmp_path, pipeline, TARGETS["sd"], 1), 0.6))
    (found,) = Omni(pipeline=carrying).map([inputs("sd")])
    assert greatest_difference(carrying(**inputs("sd")), found) == 0


def test_compiled_blocks_compute_with_the_adapters_of_each_request(tmp_path: Path) -> None:
    pipeline = case("flux").build()
    path = lora_file(tmp_path, pipeline, TARGETS["flux"], 1)
    plain = pipeline(**inputs("flux")), with_adapters(pipeline, asked(path))(**inputs("flux"))
    warmup = [{"height": 32, "width": 48, "num_inference_steps": 1}]
    omni = Omni(pipeline=pipeline, acceleration={"compile": {"backend": "eager"}, "warmup": warmup})
    for index in (0, 1, 0):
        (found,) = omni.map([inputs("flux")], loras=[[asked(path)] * index])
        assert greatest_difference(plain[index], found) == 0


def test_generate_takes_lora_requests_as_vllm_omni_does(tmp_path: Path) -> None:
    pipeline = case("sd").build()
    path = lora_file(tmp_path, pipeline, TARGETS["sd"], 1)
    arguments = {"width": 32, "height": 32, "num_inference_steps": 2, "output_type": "pt"}
    expected = with_adapters(pipeline, asked(path, 0.5))(
        "a fox", generator=torch.Generator().manual_seed(3), **arguments
    )
    params = OmniDiffusionSamplingParams(
        num_inference_steps=2,
        width=32,
        height=32,
        seed=3,
        lora_request=LoRARequest("style", 1, str(path)),
        lora_scale=0.5,
        extra_args={"output_type": "pt"},
    )
    (result,) = Omni(pipeline=pipeline).generate("a fox", params)
    assert result.error is None
    assert greatest_difference(expected.images, torch.stack(list(result.images))) == 0
