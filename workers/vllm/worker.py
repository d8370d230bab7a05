"""vLLM V1's worker with a Qwen-Image beside its text model. Named in vLLM's `worker_cls`.

vLLM's own worker stays responsible for the device, the cache and the parallel state.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import QwenImagePipeline
from safetensors.torch import save
from vllm.platforms import current_platform

from omni_jobs.errors import Misconfigured
from workers.vllm.custom_inputs import QwenImageCustomInputs
from workers.vllm.model_runner import ImageBranch
from workers.vllm.runner_adapter import QwenImageRunnerAdapter

if current_platform.is_cpu():
    from vllm.v1.worker.cpu_worker import CPUWorker as Worker
else:
    from vllm.v1.worker.gpu_worker import Worker

#: Key of vLLM's `additional_config` that holds the arguments of `QwenImagePipeline.from_pretrained`, with the
#: folder or hub id as `model`.
CONFIG_KEY = "qwen_image"


class QwenImageWorker(Worker):
    """Draws pictures for requests of TASK_IMAGE_GENERATION; all others are vLLM's."""

    _branch: ImageBranch | None = None
    _adapter: QwenImageRunnerAdapter | None = None

    def load_model(self, *args: Any, **kwargs: Any) -> None:
        """Load vLLM's model, then Qwen-Image.

        Raises:
            Misconfigured: `additional_config` names no Qwen-Image, or vLLM's model does no pooling.
        """
        super().load_model(*args, **kwargs)
        self._adapter = QwenImageRunnerAdapter(self._load_qwen_image())
        tasks = self.model_runner.get_supported_tasks()
        if self.model_config.runner_type != "pooling" or not tasks:
            raise Misconfigured(
                f"vLLM's model does {', '.join(tasks) or 'nothing'}; requests for pictures are pooling requests.",
                field="runner",
                value=self.model_config.runner_type,
                remedy='Start vLLM with runner="pooling".',
            )
        self._branch = ImageBranch(self._adapter, tasks[0], lambda params: params.verify(self.model_config))

    def get_qwen_image_adapter(self) -> QwenImageRunnerAdapter:
        """The adapter, once the model is loaded.

        Raises:
            Misconfigured: it is not.
        """
        if self._adapter is None:
            raise Misconfigured("No Qwen-Image is loaded on this worker.", field=CONFIG_KEY)
        return self._adapter

    def get_supported_tasks(self) -> tuple[str, ...]:
        """vLLM's, and the one under which requests for pictures travel."""
        return tuple(dict.fromkeys((*super().get_supported_tasks(), "plugin")))

    def execute_model(self, scheduler_output: Any) -> Any:
        """One step of vLLM's runner; what it made of requests for pictures is replaced by the pictures."""
        assert self._branch is not None
        self._branch.take(scheduler_output)
        return self._branch.fill(super().execute_model(scheduler_output))

    def generate_image(self, content: bytes, decode_pixels: bool = True) -> bytes:
        """For `collective_rpc`: from `QwenImageCustomInputs.to_bytes` to a safetensors file with `images`."""
        inputs = QwenImageCustomInputs.from_bytes(content)
        images = self.get_qwen_image_adapter().generate(inputs, decode_pixels)
        return save({"images": images.cpu().contiguous()})

    def _load_qwen_image(self) -> QwenImagePipeline:
        options = dict((self.vllm_config.additional_config or {}).get(CONFIG_KEY) or {})
        model = options.pop("model", None)
        if not isinstance(model, str):
            raise Misconfigured(
                f"`additional_config.{CONFIG_KEY}.model` is missing.",
                field=f"additional_config.{CONFIG_KEY}.model",
                remedy="Name a folder or a hub id of a Qwen-Image.",
            )
        if isinstance(dtype := options.pop("dtype", None), str):
            options["torch_dtype"] = getattr(torch, dtype)
        options |= {"text_encoder": None, "tokenizer": None, "use_safetensors": True}
        return QwenImagePipeline.from_pretrained(model, **options).to(self.device)
