"""Quantization: what is missing is refused by its package's name, what is there is handed to diffusers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers import DiffusionPipeline

from benchmarks.zoo import case
from omni_jobs.errors import Misconfigured
from workers import Omni
from workers.acceleration.quantizing import check_quantization, quantized
from workers.engine import OmniDiffusionConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    case("flux").build().save_pretrained(path)
    return str(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("torchao", "torchao is not installed. Run `pip install torchao`"),
        ("bitsandbytes_4bit", "bitsandbytes is not installed"),
        ({"backend": "gguf", "file": "x.gguf"}, "gguf is not installed"),
        ("int4", "there is no such back end"),
    ],
)
def test_a_missing_package_is_refused_by_its_name(folder: str, options: Any, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        Omni(model=folder, acceleration={"quantization": options})


def installed(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """Let a package seem to be installed."""
    monkeypatch.setattr("workers.acceleration.quantizing.find_spec", lambda _name: object())
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_bitsandbytes_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "bitsandbytes")
    with pytest.raises(Misconfigured, match="needs a GPU"):
        check_quantization({"backend": "bitsandbytes_8bit"}, cuda=False)
    check_quantization({"backend": "bitsandbytes_8bit"}, cuda=True)


def config(folder: str, **options: Any) -> OmniDiffusionConfig:
    return OmniDiffusionConfig(model=folder, dtype="bfloat16", acceleration={"quantization": options})


def test_components_get_their_librarys_configuration(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = installed(monkeypatch, "torchao.quantization")
    package.Int8WeightOnlyConfig = lambda **arguments: ("int8", arguments)  # type: ignore[attr-defined]
    for library in (diffusers, transformers):
        monkeypatch.setattr(library, "TorchAoConfig", lambda kind, library=library: (library.__name__, kind))
    asked: list[Any] = []
    monkeypatch.setattr(
        "workers.acceleration.quantizing.PipelineQuantizationConfig", lambda **kw: asked.append(kw)
    )
    quantized(DiffusionPipeline, folder, None, config(folder, backend="torchao"))
    both = {"components": ["transformer", "text_encoder_2"], "arguments": {"group_size": 32}}
    quantized(DiffusionPipeline, folder, None, config(folder, backend="torchao", **both))
    assert asked[0] == {"quant_mapping": {"transformer": ("diffusers", ("int8", {}))}}
    assert asked[1]["quant_mapping"]["text_encoder_2"] == ("transformers", ("int8", {"group_size": 32}))
    with pytest.raises(Misconfigured, match="no such component"):
        quantized(DiffusionPipeline, folder, None, config(folder, backend="torchao", components=["unet"]))


def test_a_gguf_file_becomes_the_denoiser(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, "gguf")
    asked: list[Any] = []

    def from_single_file(file: str, **arguments: Any) -> str:
        asked.append((file, arguments))
        return "loaded"

    monkeypatch.setattr(diffusers.FluxTransformer2DModel, "from_single_file", from_single_file)
    file = str(tmp_path / "flux-Q4.gguf")
    assert quantized(DiffusionPipeline, folder, None, config(folder, backend="gguf", file=file)) == {
        "transformer": "loaded"
    }
    ((given, how),) = asked
    assert (given, how["config"], how["subfolder"]) == (file, folder, "transformer")
    assert how["quantization_config"].compute_dtype is torch.bfloat16
