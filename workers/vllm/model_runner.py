"""The branch for pictures in a vLLM model runner's step, from the side of the worker that calls the runner.

A request for a picture goes through vLLM's runner as an ordinary pooling request over one token, so that all of
vLLM's bookkeeping holds; its result is then replaced by the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
import torch
from vllm import PoolingParams

from workers.vllm.custom_inputs import CUSTOM_INPUTS_KEY, TASK_IMAGE_GENERATION, QwenImageCustomInputs
from workers.vllm.requests import DECODE_KEY, TASK_KEY
from workers.vllm.runner_adapter import QwenImageRunnerAdapter

log = structlog.get_logger(__name__)


class ImageBranch:
    """The requests for pictures that vLLM has scheduled and not finished.

    `usual_task` is one that the text model can do, and `verified` completes parameters for it as vLLM does.
    """

    def __init__(
        self, adapter: QwenImageRunnerAdapter, usual_task: str, verified: Callable[[PoolingParams], None]
    ) -> None:
        self._adapter = adapter
        self._usual_task = usual_task
        self._verified = verified
        self._asked: dict[str, dict[str, Any]] = {}

    def take(self, scheduler_output: Any) -> None:
        """Remember the new requests for pictures, and show them to vLLM's runner as ordinary ones."""
        for request_id in scheduler_output.finished_req_ids:
            self._asked.pop(request_id, None)
        for request in scheduler_output.scheduled_new_reqs:
            asked = getattr(request.pooling_params, "extra_kwargs", None) or {}
            if asked.get(TASK_KEY) == TASK_IMAGE_GENERATION:
                self._asked[request.req_id] = asked
                request.pooling_params = PoolingParams(task=self._usual_task)
                self._verified(request.pooling_params)

    def fill(self, output: Any) -> Any:
        """Put a picture where vLLM's runner put what its text model found."""
        if not self._asked or output is None:
            return output
        if hasattr(output, "get_output"):
            output = output.get_output()  # on a GPU the runner answers before its copies are done
        for request_id, place in (output.req_id_to_index or {}).items():
            if request_id in self._asked and output.pooler_output[place] is not None:
                output.pooler_output[place] = self._drawn(request_id, self._asked.pop(request_id))
        return output

    def _drawn(self, request_id: str, asked: dict[str, Any]) -> torch.Tensor:
        """The picture, or why there is none: an error that left the step would end the engine for everybody."""
        try:
            inputs = QwenImageCustomInputs.from_bytes(asked[CUSTOM_INPUTS_KEY])
            return self._adapter.generate(inputs, asked.get(DECODE_KEY, True)).cpu()
        except Exception as error:  # noqa: BLE001  whatever it is, it is this request's alone
            log.warning("picture not drawn", request=request_id, error=str(error))
            return torch.tensor(list(f"{type(error).__name__}: {error}".encode()), dtype=torch.uint8)
