"""What an engine runs and how: built from a model's row in `omni.toml`, or from the arguments of `Omni(...)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.parallel.degrees import DiffusionParallelConfig, ranks_of

#: What LoRA adapters of one model may take of memory, in bytes.
LORA_CACHE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class OmniDiffusionConfig:
    """One model on one group of devices. Names are those that users of vLLM-Omni know.

    `model` is a folder or hub id (`name@revision`); `pipeline` an already loaded pipeline instead.
    `model_class_name` is a diffusers class's name or a qualified one; without it the model itself says. `dtype`
    may be one per component, with "default". `weights_sources` are other sources of single components;
    `text_encoder` says who serves that one, if not the pipeline (see `served_text`).
    `pre_process` and `post_process` are qualified names of functions that are given this configuration and return
    functions (see `processing`). `defaults` are parameters that a prompt leaves out; `merge_rules` what was proved
    offline (see `stepping.rules`).
    `cache_backend` names a step cache and `cache_config` its options (see workers/stepping/cache_config.py);
    `acceleration` holds what workers/acceleration/options.py lists. `parallel_config` says how the model is spread
    over `num_gpus` devices, which follow from it if left out (see workers/parallel/degrees.py).
    `worker_extension_cls`, a class or its qualified name, adds methods to the worker of each device.
    `distributed_executor_backend` is "uni", "mp", "ray", "vllm-omni", "simulated", a class, or a class's qualified
    name; `None` picks "uni" for one device and "mp" above. `caps` is "measured" or "fixed(n)"; what is measured is
    kept in `caps_file`, if given. `offline` favours throughput over the wait of any single request (see Batcher).
    `checkpoint_seconds` of device time lie between two checkpoints of a resumable request; 0 makes none.
    With `lora_folder` the model must be able to have adapters; `lora_cache_bytes` bounds those that are loaded and
    not in use.
    """

    model: str | None = None
    name: str | None = None
    model_class_name: str | None = None
    pipeline: Any = None
    dtype: str | Mapping[str, str] | None = None
    device: str | None = None
    variant: str | None = None
    load_format: str = "default"
    custom_pipeline_args: Mapping[str, Any] | None = None
    worker_extension_cls: Any = None
    distributed_executor_backend: Any = None
    num_gpus: int | None = None
    parallel_config: Mapping[str, Any] | DiffusionParallelConfig = field(default_factory=dict)
    caps: str = "measured"
    caps_file: str | None = None
    cache_backend: str | None = None
    cache_config: Mapping[str, Any] = field(default_factory=dict)
    acceleration: Mapping[str, Any] = field(default_factory=dict)
    max_num_seqs: int = 64
    offline: bool = False
    trust_remote_code: bool = False
    weights_sources: Mapping[str, Any] = field(default_factory=dict)
    text_encoder: str | Mapping[str, Any] | None = None
    pre_process: str | None = None
    post_process: str | None = None
    output_check: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    merge_rules: Sequence[Mapping[str, Any]] = ()
    lora_folder: str | None = None
    lora_cache_bytes: int = LORA_CACHE_BYTES
    checkpoint_seconds: float = 0.0
    executor_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ranks(self) -> int:
        """The number of devices that one copy of the model spans.

        Raises:
            Misconfigured: `num_gpus` and `parallel_config` contradict each other, or the latter is wrong.
        """
        return ranks_of(self.parallel_config, self.num_gpus)
