"""LoRA files with random weights, as `save_lora_weights` of a pipeline writes them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict

from workers.engine import LoRARequest

#: Rows of the zoo, and the layers that their adapters change, by component.
TARGETS: dict[str, Mapping[str, Sequence[str]]] = {
    "sd": {"unet": ["to_q", "to_v", "conv1"], "text_encoder": ["q_proj", "v_proj"]},
    "sdxl": {"unet": ["to_k", "to_out.0"], "text_encoder": ["q_proj"], "text_encoder_2": ["v_proj"]},
    "flux": {"transformer": ["to_q", "to_k", "proj_mlp", "x_embedder"]},
}


def lora_file(folder: Path, pipeline: Any, targets: Mapping[str, Sequence[str]], seed: int, rank: int = 2) -> Path:
    """Write an adapter for these layers of a pipeline, which stays as it is; returns its path."""
    generator = torch.Generator().manual_seed(seed)
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for component, names in targets.items():
        module = copy.deepcopy(getattr(pipeline, component))
        inject_adapter_in_model(LoraConfig(r=rank, target_modules=list(names)), module, "default")
        state = get_peft_model_state_dict(module, adapter_name="default")
        layers[f"{component}_lora_layers"] = {
            name: torch.randn(value.shape, generator=generator) * 0.2 for name, value in state.items()
        }
    type(pipeline).save_lora_weights(folder, weight_name=f"adapter-{seed}.safetensors", **layers)
    return folder / f"adapter-{seed}.safetensors"


def asked(path: Path, scale: float = 1.0) -> LoRARequest:
    """A request for this file."""
    return LoRARequest(path.stem, lora_path=str(path), scale=scale)


def with_adapters(pipeline: Any, *loras: LoRARequest) -> Any:
    """A copy of a pipeline that carries these adapters, made by diffusers alone."""
    made = copy.deepcopy(pipeline)
    names = [f"mine{number}" for number in range(len(loras))]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`")
        for name, lora in zip(names, loras, strict=True):
            path = Path(lora.lora_path)
            made.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name)
    made.set_adapters(names, [lora.scale for lora in loras])
    return made
