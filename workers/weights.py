"""Weights for classes that load their own, by vLLM-Omni's contract: `weights_sources` and `load_weights`.

The loader calls `fill` on a fresh pipeline of such a class: it reads safetensors from each source, hands pairs of
name and tensor to the pipeline's `load_weights`, and checks that nothing was left random.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest

PATTERN = "*.safetensors"


@dataclass(frozen=True)
class ComponentSource:
    """Where the weights of one part lie: a folder or hub id, and the prefix of the part's names in the pipeline.

    `fall_back_to_pt` is taken from classes written for vLLM-Omni and changes nothing: only safetensors are read.
    """

    model_or_path: str
    subfolder: str | None = None
    revision: str | None = None
    prefix: str = ""
    fall_back_to_pt: bool = False


class AutoWeightsLoader:
    """Copies weights into a module's parameters and buffers by name."""

    def __init__(self, module: nn.Module) -> None:
        self._own = {**dict(module.named_parameters()), **dict(module.named_buffers())}

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Copy each tensor; its dtype becomes the parameter's. Returns the names that were loaded.

        Raises:
            Misconfigured: a name that the module does not have, or another shape.
        """
        loaded = set()
        for name, tensor in weights:
            own = self._own.get(name)
            if own is None:
                raise Misconfigured(
                    f"The weights hold {name!r}, which the model has not.",
                    field="weights_sources",
                    value=name,
                    remedy=nearest(name, self._own) if len(self._own) < 50 else "Check the source's prefix.",
                )
            if own.shape != tensor.shape:
                raise Misconfigured(
                    f"{name!r} is {tuple(tensor.shape)} in the weights and {tuple(own.shape)} in the model.",
                    field="weights_sources",
                    value=name,
                    remedy="Check the configuration that the model is built from.",
                )
            with torch.no_grad():
                own.copy_(tensor)
            loaded.add(name)
        return loaded


def fill(pipeline: Any) -> None:
    """Load what `pipeline.weights_sources` names through `pipeline.load_weights`. Without sources, nothing.

    Raises:
        Misconfigured: no `load_weights`, no safetensors, or a parameter that no source filled.
    """
    sources = tuple(getattr(pipeline, "weights_sources", None) or ())
    if not sources:
        return
    if not callable(getattr(pipeline, "load_weights", None)):
        raise Misconfigured(
            f"{type(pipeline).__name__} has `weights_sources` and no `load_weights`.",
            field="pipeline_class",
            remedy="Define `load_weights(weights)`; workers.weights.AutoWeightsLoader does the work.",
        )
    loaded = pipeline.load_weights(pair for source in sources for pair in tensors_of(source))
    if loaded is None or not isinstance(pipeline, nn.Module):
        return  # it does not say what it loaded
    prefixes = tuple(source.prefix for source in sources)
    random = [name for name, _ in pipeline.named_parameters() if name.startswith(prefixes) and name not in loaded]
    if random:
        raise Misconfigured(
            f"{len(random)} parameters of {type(pipeline).__name__} are in no weight file: {random[0]!r} first.",
            field="weights_sources",
            value=random[0],
            remedy="Check source, subfolder and prefix.",
        )


def tensors_of(source: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The pairs of one source, its prefix before each name. Any object with a ComponentSource's fields will do."""
    for path in _files(source):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  the file is no mapping
                yield source.prefix + name, file.get_tensor(name)


def _files(source: Any) -> list[Path]:
    folder = Path(source.model_or_path)
    subfolder = getattr(source, "subfolder", None) or ""
    if not folder.is_dir():
        folder = _downloaded(source, subfolder)
    folder = folder / subfolder
    indexes = [json.loads(index.read_text("utf-8")) for index in folder.glob(f"{PATTERN}.index.json")]
    shards = {shard for index in indexes for shard in index["weight_map"].values()}
    files = [folder / shard for shard in sorted(shards)] or sorted(folder.glob(PATTERN))
    if not files:
        raise Misconfigured(
            f"{folder} holds no safetensors.",
            field="weights_sources",
            value=str(folder),
            remedy="Save the weights as safetensors: other formats can run code when they are read.",
        )
    return files


def _downloaded(source: Any, subfolder: str) -> Path:
    from huggingface_hub import snapshot_download

    pattern = f"{subfolder}/{PATTERN}*" if subfolder else f"{PATTERN}*"
    revision = getattr(source, "revision", None)
    return Path(snapshot_download(source.model_or_path, revision=revision, allow_patterns=[pattern]))
