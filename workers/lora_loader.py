"""Puts LoRA files into a pipeline's modules and takes them out, by diffusers' own means; called by `adapters`.

So a request alone computes what the plain pipeline would after `load_lora_weights` and `set_adapters`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from omni_jobs.errors import InvalidRequest, Misconfigured
from workers.stepping.adapters import OUR_ADAPTERS
from workers.stepping.faults import is_out_of_memory


@dataclass(eq=False)
class Adapter:
    """One loaded file: its name in peft, its bytes in memory, by module id its kinds of layers, who uses it."""

    name: str
    size_bytes: int
    kinds: Mapping[int, set[str]]
    users: int = 0


class LoraLoader:
    """Loads adapters into one pipeline, or into the pipeline inside a custom class."""

    def __init__(self, pipeline: Any) -> None:
        candidates = (pipeline, getattr(pipeline, "pipeline", None))
        self._owner: Any = next((one for one in candidates if hasattr(one, "_lora_loadable_modules")), None)

    def check(self) -> None:
        """Raise Misconfigured if this pipeline, or this machine, can have no adapters."""
        if find_spec("peft") is None:
            raise Misconfigured(
                "LoRA needs the package peft, which is not installed.",
                field="lora_folder",
                remedy="pip install 'omni-jobs[worker]'",
            )
        if self._owner is None:
            raise Misconfigured("This pipeline class cannot load LoRA weights.", field="lora_folder")

    def check_is_plain(self) -> None:
        """Raise InvalidRequest if the pipeline came with adapters: which of them should act is not ours to say."""
        named = {name for module in self._modules() for name in getattr(module, "peft_config", {})}
        foreign = sorted(name for name in named if not name.startswith(OUR_ADAPTERS))
        if foreign:
            raise InvalidRequest(
                f"`loras`: the pipeline came with adapters of its own ({', '.join(foreign)}).",
                field="loras",
                remedy="Call its `unload_lora_weights()` first, and ask for those as well.",
            )

    def load(self, name: str, label: str, path: Path) -> Adapter:
        """Load a file as the adapter `name`; it may be active afterwards. `label` is what users call it.

        Raises:
            InvalidRequest: it is not for this model, or would change it for every other request.
        """
        where: dict[str, Any] = {"weight_name": path.name, "use_safetensors": True, "local_files_only": True}
        try:
            self._refuse_what_changes_the_model(str(path.parent), where)
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "Already found a `peft_config`"
                )  # several adapters are the point
                self._owner.load_lora_weights(str(path.parent), adapter_name=name, **where)
            return self._found(name)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise InvalidRequest(
                f"`loras`: {label!r} does not fit this model: {' '.join(str(error).split())[:300]}",
                field="loras",
                value=label,
            ) from error

    def activate(self, names: Sequence[str], scales: Sequence[float]) -> list[tuple[Any, dict[str, float]]]:
        """Make these active, in order; returns their scalings in each layer that has them."""
        self._owner.set_adapters(list(names), list(scales))
        scalings = [
            (layer, {name: layer.scaling[name] for name in names if name in layer.scaling})
            for layer in self.layers()
        ]
        return [item for item in scalings if item[1]]

    def unload(self, names: Sequence[str]) -> None:
        """Take these out of all modules; what is left of them computes what the modules did before."""
        self._owner.delete_adapters(list(names))

    def unload_all(self) -> None:
        """Put the modules together again as they were before the first adapter."""
        self._owner.unload_lora_weights()

    def layers(self) -> list[Any]:
        """All layers of all modules that may hold adapters."""
        return [layer for module in self._modules() for layer in _layers(module)]

    def _found(self, name: str) -> Adapter:
        size_bytes, kinds = 0, dict[int, set[str]]()
        for module in self._modules():
            layers = [layer for layer in _layers(module) if name in layer.scaling]
            named = [item for layer in layers for item in layer.named_parameters()]
            size_bytes += sum(parameter.nbytes for path, parameter in named if name in path.split("."))
            if layers:
                kinds[id(module)] = {_kind(layer, name) for layer in layers}
        if not kinds:
            raise InvalidRequest("it holds nothing for any part of it")
        return Adapter(name, size_bytes, kinds)

    def _modules(self) -> list[nn.Module]:
        return list(self._named().values())

    def _named(self) -> dict[str, nn.Module]:
        found = {name: getattr(self._owner, name, None) for name in self._owner._lora_loadable_modules}
        return {name: module for name, module in found.items() if isinstance(module, nn.Module)}

    def _refuse_what_changes_the_model(self, folder: str, where: Mapping[str, Any]) -> None:
        """Some files hold norms of their own, or inputs that make the model wider.

        Diffusers writes those into the model itself (`FluxLoraLoaderMixin`), where every other request meets them.
        """
        norms = getattr(self._owner, "_control_lora_supported_norm_keys", None)
        if norms is None:
            return
        state = self._owner.lora_state_dict(folder, **where)
        if any(norm in key for key in state for norm in norms):
            raise InvalidRequest("it holds weights beside the adapter, which would change it for every request")
        layers = {
            f"{name}.{path}": part
            for name, module in self._named().items()
            for path, part in module.named_modules()
        }
        for key, weight in state.items():
            layer = layers.get(key.removesuffix(".lora_A.weight"))
            if layer is not None and weight.shape[1] > getattr(layer, "in_features", weight.shape[1]):
                raise InvalidRequest("it is for a wider input, and would widen the model for every request")


def _layers(module: nn.Module) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [part for part in module.modules() if isinstance(part, BaseTunerLayer)]


def _kind(layer: Any, name: str) -> str:
    variant = getattr(layer, "lora_variant", {}).get(name)
    return f"{type(layer).__module__}.{type(layer).__name__}:{type(variant).__name__}"
