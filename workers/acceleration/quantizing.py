"""Quantized weights, as diffusers loads them: torchao, bitsandbytes and GGUF. The loader asks before it loads.

None of these packages is one of ours: what is missing is refused by the name under which it is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import diffusers
import torch
import transformers
from diffusers.quantizers import PipelineQuantizationConfig

from workers.acceleration.options import accelerations
from workers.acceleration.refusal import refused, refusing
from workers.components import component_dtype
from workers.engine.config import OmniDiffusionConfig

#: The package that each back end needs.
PACKAGES = {
    "torchao": "torchao",
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "gguf": "gguf",
}
#: Components that are quantized unless told: the denoisers, where nearly all weights are.
COMPONENTS = ("transformer", "transformer_2", "unet", "prior")


def quantized(kind: Any, source: str, revision: str | None, od_config: OmniDiffusionConfig) -> dict[str, Any]:
    """What `from_pretrained` of the pipeline class is told so that it loads quantized weights; often nothing.

    Raises:
        Misconfigured: this machine cannot load them, or the pipeline has no such component.
    """
    options = accelerations(od_config.acceleration).get("quantization")
    if options is None:
        return {}
    check_quantization(options)
    index = kind.load_config(source, revision=revision)
    components = options.get("components", [name for name in COMPONENTS if name in index])
    for name in components:
        if name not in index:
            raise refused("quantization", name, "the pipeline has no such component.")
    classes = {name: getattr(_library(index[name][0]), index[name][1]) for name in components}
    if options["backend"] == "gguf":
        return {name: gguf_component(options, kind, source, name, od_config) for name, kind in classes.items()}
    with refusing("quantization", dict(options)):
        mapping = {name: _config(_library(index[name][0]), options) for name in components}
        return {"quantization_config": PipelineQuantizationConfig(quant_mapping=mapping)}


def check_quantization(options: Mapping[str, Any], cuda: bool | None = None) -> None:
    """Refuse what this machine cannot load.

    Raises:
        Misconfigured: an unknown back end, a missing package, or no GPU where one is needed.
    """
    backend = options.get("backend")
    package = PACKAGES.get(str(backend))
    if package is None:
        raise refused("quantization", backend, "there is no such back end.", f"Use one of {', '.join(PACKAGES)}.")
    if find_spec(package) is None:
        raise refused("quantization", backend, f"{package} is not installed.", f"Run `pip install {package}`.")
    if package == "bitsandbytes" and not (torch.cuda.is_available() if cuda is None else cuda):
        raise refused("quantization", backend, "bitsandbytes needs a GPU.")
    if (backend == "gguf") != ("file" in options):
        raise refused("quantization", dict(options), "GGUF, and nothing else, takes a `file`.")


def _config(library: Any, options: Mapping[str, Any]) -> Any:
    """`type` is a class of torchao.quantization; `arguments` are its own, or those of BitsAndBytesConfig."""
    arguments = dict(options.get("arguments", {}))
    match options["backend"]:
        case "torchao":
            kinds = importlib.import_module("torchao.quantization")
            return library.TorchAoConfig(getattr(kinds, options.get("type", "Int8WeightOnlyConfig"))(**arguments))
        case "bitsandbytes_4bit":
            return library.BitsAndBytesConfig(load_in_4bit=True, **arguments)
        case _:
            return library.BitsAndBytesConfig(load_in_8bit=True, **arguments)


def gguf_component(
    options: Mapping[str, Any], kind: Any, source: str, name: str, od_config: OmniDiffusionConfig
) -> Any:
    """The component in a GGUF file; `source` is the pipeline's, whose configuration it follows."""
    dtype = component_dtype(od_config.dtype, name)
    with refusing("quantization", dict(options)):
        config = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
        return kind.from_single_file(
            options["file"], quantization_config=config, torch_dtype=dtype, config=source, subfolder=name
        )


def _library(name: str) -> Any:
    return transformers if name == "transformers" else diffusers
