"""What must be equal for a resumed run to be the run that was saved: versions, model, device, request.

A fingerprint is a few named facts, so that a refusal can say which one differs.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from PIL import Image
from torch import nn

import omni_jobs
from workers.engine.request import LoRARequest, OmniDiffusionRequest
from workers.stepping.adapters import OUR_ADAPTERS

VERSIONS = {
    "python": platform.python_version().rpartition(".")[0],
    "omni-jobs": omni_jobs.__version__,
    "torch": torch.__version__,
    "diffusers": diffusers.__version__,
    "transformers": transformers.__version__,
    "numpy": np.__version__,
}
#: Of each parameter so many values at either end are looked at: all of them would take as long as loading.
SAMPLED_VALUES = 4
#: What schedulers write into their own configuration while they run.
WRITTEN_CONFIG = ("lower_order_final",)


def model_facts(pipeline: Any, modules: Mapping[str, nn.Module]) -> dict[str, str]:
    """The part that is the same for all requests; made once for each loaded pipeline."""
    kind = type(pipeline)
    schedulers = {
        name: [type(value).__qualname__, _config(value)]
        for name, value in vars(pipeline).items()
        if isinstance(value, SchedulerMixin)
    }
    return {
        **VERSIONS,
        "pipeline": f"{kind.__module__}.{kind.__qualname__}",
        "schedulers": _digest(json.dumps(schedulers).encode()),
        "weights": _digest(*(part for name, module in modules.items() for part in _weights(name, module))),
        "device": _device(modules),
    }


def request_facts(request: OmniDiffusionRequest, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The part that is a request's own; made before it runs, because pipelines write into what they are given."""
    digest = hashlib.blake2b(digest_size=16)
    pictures = [request.images, request.mask, dict(request.inputs)]
    asked = [request.prompt, request.negative_prompt, pictures, vars(request.sampling_params)]
    for part in _content([asked, arguments]):
        digest.update(part)
    facts = {
        "request": digest.hexdigest(),
        "batching": "alone" if request.deterministic else "together",
    }
    if request.deterministic:
        facts["threads"] = str(torch.get_num_threads())  # they decide in which order sums are taken
    return facts


def difference(saved: Mapping[str, str], present: Mapping[str, str]) -> str | None:
    """The first fact that is not the same, in words."""
    for name in {**present, **saved}:
        if saved.get(name) != present.get(name):
            return f"{name} differs: {saved.get(name)} then, {present.get(name)} now"
    return None


def _content(value: Any) -> Iterator[bytes]:
    """The bytes that make a request's arguments what they are; unknown objects count by their class."""
    yield type(value).__qualname__.encode()
    match value:
        case torch.Tensor() | np.ndarray() | Image.Image() | torch.Generator():
            yield from _raw_content(value)
        case LoRARequest():
            yield repr((_file_digest(value.lora_path), value.scale)).encode()
        case dict():
            for key, item in value.items():
                yield repr(key).encode()
                yield from _content(item)
        case list() | tuple():
            for item in value:
                yield from _content(item)
        case bool() | int() | float() | str() | bytes() | None:
            yield repr(value).encode()


def _raw_content(value: torch.Tensor | np.ndarray[Any, Any] | Image.Image | torch.Generator) -> Iterator[bytes]:
    match value:
        case torch.Tensor():
            yield repr((value.shape, value.dtype)).encode()
            yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        case torch.Generator():
            yield value.get_state().numpy().tobytes()
        case np.ndarray():
            yield repr((value.shape, value.dtype)).encode()
            yield value.tobytes()
        case Image.Image():
            yield repr((value.mode, value.size)).encode()
            yield value.tobytes()


def _config(scheduler: SchedulerMixin) -> list[tuple[str, str]]:
    items = scheduler.config.items()
    return sorted((key, str(item)) for key, item in items if key[0] != "_" and key not in WRITTEN_CONFIG)


def _weights(name: str, module: nn.Module) -> Iterator[bytes]:
    yield f"{name} {type(module).__qualname__}".encode()
    named = [(name, one) for name, one in module.named_parameters() if OUR_ADAPTERS not in name]
    parameters = [one for _name, one in named if one.numel() and not one.is_meta]
    yield repr([(tuple(one.shape), str(one.dtype)) for one in parameters]).encode()
    flat = [one.detach().reshape(-1) for one in parameters]
    samples = [part.float() for one in flat for part in (one[:SAMPLED_VALUES], one[-SAMPLED_VALUES:])]
    if samples:
        yield torch.cat([part.to(samples[0].device) for part in samples]).cpu().numpy().tobytes()


@lru_cache(maxsize=256)
def _digest_of_state(path: str, _size_bytes: int, _changed_ns: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_digest(path: str) -> str:
    """Of an adapter's file, wherever it lies; read once for each state of it."""
    status = Path(path).stat()
    return _digest_of_state(path, status.st_size, status.st_mtime_ns)


def _device(modules: Mapping[str, nn.Module]) -> str:
    kinds = {parameter.device for module in modules.values() for parameter in module.parameters()}
    names = {
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu {torch.backends.cpu.get_cpu_capability()}"
        for device in kinds
    }
    return ", ".join(sorted(names))


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
