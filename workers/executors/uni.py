"""The executor for one device: the runner lives in the engine's own process. The default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workers.arguments import arguments_for
from workers.engine.calls import Advance, StepResult
from workers.engine.executor import DiffusionExecutor
from workers.engine.request import OmniDiffusionRequest
from workers.loader import load_pipeline
from workers.runner import DiffusionModelRunner
from workers.stepping.cache_config import cache_policy
from workers.stepping.meter import device_facts


class UniProcDiffusionExecutor(DiffusionExecutor):
    """One pipeline, one runner, no other process."""

    model_runner: DiffusionModelRunner

    def _init_executor(self) -> None:
        pipeline = load_pipeline(self.od_config)
        device = str(getattr(pipeline, "_execution_device", "cpu"))
        policy = cache_policy(self.od_config.cache_backend, self.od_config.cache_config)
        rules = self.od_config.merge_rules
        self.model_runner = DiffusionModelRunner(
            pipeline, arguments_for(pipeline, device), policy, rules, self.od_config.lora_cache_bytes
        )
        if self.od_config.lora_folder is not None:
            self.model_runner.adapters.check()

    @property
    def identity(self) -> str:
        pipeline = self.model_runner.pipeline
        facts = (self.od_config.model, type(pipeline).__qualname__, getattr(pipeline, "dtype", ""))
        return " ".join(str(fact) for fact in (*facts, *device_facts(self.model_runner.device)))

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        return [self.model_runner.add(request) for request in requests]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        return self.model_runner.execute(call_ids)

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            self.model_runner.drop(request_id)

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        reply = getattr(self.model_runner, method)(*args, **dict(kwargs or {}))
        return reply if unique_reply_rank is not None else [reply]

    def check_health(self) -> None:
        """One process: if this runs, it is healthy; device faults raise where they happen."""

    def shutdown(self) -> None:
        self.model_runner.close()
