"""The executor for one device: the worker lives in the engine's own process. The default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workers.engine.calls import Advance, Checkpoint, StepResult
from workers.engine.executor import DiffusionExecutor
from workers.engine.request import OmniDiffusionRequest
from workers.worker_wrapper import WorkerWrapperBase


class UniProcDiffusionExecutor(DiffusionExecutor):
    """One worker, no other process."""

    def _init_executor(self) -> None:
        self.worker = WorkerWrapperBase(0, self.od_config)

    @property
    def identity(self) -> str:
        identity: str = self.worker.identity()
        return identity

    @property
    def max_num_seqs(self) -> int:
        most: int = self.worker.max_num_seqs()
        return most

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        advances: list[Advance] = self.worker.add_requests(requests)
        return advances

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        result: StepResult = self.worker.execute_step(call_ids)
        return result

    def checkpoint(self, request_id: str) -> Checkpoint:
        saved: Checkpoint = self.worker.checkpoint(request_id)
        return saved

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        self.worker.drop_requests(request_ids)

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        """`timeout` is not enforced: the method runs in the caller's own thread."""
        reply = self.worker.execute_method(method, *args, **dict(kwargs or {}))
        return reply if unique_reply_rank is not None else [reply]

    def check_health(self) -> None:
        """One process: if this runs, it is healthy; device faults raise where they happen."""

    def shutdown(self) -> None:
        if self.worker.model_runner is not None:
            self.worker.model_runner.close()
