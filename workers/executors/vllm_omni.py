"""vLLM-Omni as an executor: its engine draws, ours keeps the queue, storage, webhooks and cancellation.

vLLM-Omni batches by itself, so every request is handed over when it comes; a "step" of ours waits a moment for
whatever is done. Chosen by `distributed_executor_backend: "vllm-omni"`; see docs/vllm.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from importlib import import_module
from typing import Any

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, InvalidRequest, Misconfigured
from workers.cards import derive_card
from workers.engine.calls import Advance, CallInfo, Failed, Finished, Lane, Parked, StepResult
from workers.engine.executor import DiffusionExecutor
from workers.engine.request import OmniDiffusionRequest
from workers.engine_process.describe import Description, describe
from workers.executors.vllm_omni_client import VllmOmniClient, client_options, output_of
from workers.registry import ModelRow

#: Seconds for which one step waits: new requests and cancellations are heard between two steps.
STEP_SECONDS = 0.05


class VllmOmniPipeline:
    """Pictures from text, drawn by vLLM-Omni."""

    def __call__(
        self,
        prompt: str,
        negative_prompt: str | None = None,
        width: int | None = None,
        height: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        true_cfg_scale: float | None = None,
        max_sequence_length: int | None = None,
    ) -> None:
        """Never called; its signature is the card of a row without a `pipeline_class`."""


class VllmOmniExecutor(DiffusionExecutor):
    """See the module's docstring. `executor_options` are vLLM-Omni's own engine arguments, and `silence_seconds`:
    requests in flight that give no sign for so long mean a hung engine.
    """

    def _init_executor(self) -> None:
        options, self._silence_seconds = client_options(self.od_config)
        self._client = VllmOmniClient(options)
        self._running: dict[str, Future[Any]] = {}
        self._calls: dict[int, str] = {}
        self._next_call = 0
        self._heard = time.monotonic()

    @property
    def identity(self) -> str:
        return f"vllm-omni {self._client.versions} {self.od_config.model}"

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        return [self._begin(request) for request in requests]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        began = time.monotonic()
        batch = [self._calls.pop(call_id) for call_id in call_ids]
        wait([self._running[request_id] for request_id in batch], STEP_SECONDS, FIRST_COMPLETED)
        advances = tuple(self._advance(request_id) for request_id in batch)
        now = time.monotonic()
        if any(not isinstance(one, Parked) for one in advances):
            self._heard = now
        if self._running and now - self._heard > self._silence_seconds:
            raise EngineUnavailable(
                f"vLLM-Omni has finished nothing for {self._silence_seconds:g} s while it had requests.",
                remedy="Raise `options.silence_seconds` if its requests take so long.",
            )
        return StepResult(advances, now - began)

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            if (future := self._running.pop(request_id, None)) is not None:
                future.cancel()
        self._calls = {call: owner for call, owner in self._calls.items() if owner in self._running}

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        """What a worker of ours answers about itself is answered here; all else goes to vLLM-Omni's workers."""
        own = getattr(self, method, None) if method in OWN_METHODS else None
        if own is None:
            return self._client.collective_rpc(method, timeout, args, kwargs)
        reply = own(*args, **(kwargs or {}))
        return reply if unique_reply_rank is not None else [reply]

    def describe(self, row: ModelRow) -> Description:
        """The card of the diffusers pipeline that the row names, which vLLM-Omni's model of that name follows."""
        description = describe(row, VllmOmniPipeline(), 0)
        if row.pipeline_class is None:
            return description
        named = getattr(import_module("diffusers"), row.pipeline_class, None)
        if named is None:
            raise Misconfigured(
                f"`pipeline_class`: diffusers has no {row.pipeline_class!r}.",
                field="pipeline_class",
                value=row.pipeline_class,
                remedy="Name the diffusers pipeline whose parameters jobs give.",
            )
        card = derive_card(row, named).model_dump(mode="json")
        return replace(description, facts={**description.facts, "card": card})

    def proven_rules(self) -> list[dict[str, Any]]:
        """vLLM-Omni decides what shares a forward."""
        return []

    def merge_report(self) -> None:
        """vLLM-Omni decides what shares a forward."""

    def check_health(self) -> None:
        self._client.check_health()

    def shutdown(self) -> None:
        self.drop_requests(list(self._running))
        self._client.close()

    def _begin(self, request: OmniDiffusionRequest) -> Advance:
        if not self._running:
            self._heard = time.monotonic()
        try:
            self._running[request.request_id] = self._client.submit(request)
        except InvalidRequest as error:
            return Failed(request.request_id, error)
        return self._park(request.request_id)

    def _park(self, request_id: str) -> Parked:
        self._next_call += 1
        self._calls[self._next_call] = request_id
        return Parked(CallInfo(request_id, self._next_call, Lane.DENOISE, "vllm-omni"))

    def _advance(self, request_id: str) -> Advance:
        future = self._running[request_id]
        if not future.done():
            return self._park(request_id)
        del self._running[request_id]
        try:
            return Finished(request_id, output_of(future.result()))
        except Exception as error:  # noqa: BLE001  whatever vLLM-Omni raised for a request is the request's
            return Failed(request_id, ExecutionFailed(f"vLLM-Omni: {type(error).__name__}: {error}"))


#: Methods of our workers that have an answer here.
OWN_METHODS = ("describe", "proven_rules", "merge_report")
