"""The in-process door: `Omni(pipeline=pipe).map(calls)` runs plain pipeline calls together, no server at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workers.engine import (
    DiffusionEngine,
    EngineEvent,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    RequestFailed,
    RequestFinished,
)
from workers.executors.uni import UniProcDiffusionExecutor
from workers.runner import RunnerStats


class Omni:
    """One pipeline whose calls are batched call by call.

    Give a loaded diffusers `pipeline`, which stays as it is, or `model`: a folder or hub id. Further arguments are
    fields of OmniDiffusionConfig. `caps` is here "fixed(8)" unless said otherwise: who calls `map` wants company.
    """

    def __init__(
        self, model: str | None = None, *, pipeline: Any = None, caps: str = "fixed(8)", **options: Any
    ) -> None:
        self._engine = DiffusionEngine(
            OmniDiffusionConfig(model=model, pipeline=pipeline, caps=caps, **({"offline": True} | options)),
            on_event=self._note,
        )
        self._ended: dict[str, Any] = {}

    @property
    def stats(self) -> RunnerStats:
        """Of the denoise lane, since the start: calls, forwards, max_batch, solo_reasons, proofs."""
        executor = self._engine.executor
        assert isinstance(executor, UniProcDiffusionExecutor)
        return executor.model_runner.stats

    def map(self, calls: Iterable[Mapping[str, Any]], return_exceptions: bool = False) -> list[Any]:
        """Run calls, each the keyword arguments of one pipeline call, and return the pipeline's outputs in order.

        Alone, a call's output is bit-identical to `pipe(**call)`. With `return_exceptions` a failed call leaves
        its exception in the list; else the first one is raised after all have ended.
        """
        requests = [OmniDiffusionRequest(arguments=dict(call)) for call in calls]
        waiting = list(reversed(requests))
        window = self._engine.od_config.max_num_seqs
        while waiting or not self._engine.is_idle:
            for _ in range(min(len(waiting), window - len(self._engine.request_ids))):
                self._engine.submit(waiting.pop())
            self._engine.advance()
        outputs = [self._ended.pop(request.request_id) for request in requests]
        if not return_exceptions:
            for output in outputs:
                if isinstance(output, BaseException):
                    raise output
        return outputs

    def close(self) -> None:
        """Release the pipeline."""
        self._engine.close()

    def _note(self, event: EngineEvent) -> None:
        match event:
            case RequestFinished(request_id, output):
                self._ended[request_id] = output.output
            case RequestFailed(request_id, error):
                self._ended[request_id] = error
