"""The in-process door, no server at all: `Omni(pipeline=pipe).map(calls)` runs plain pipeline calls together, and
`generate` takes prompts as vLLM-Omni does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.dialect import engine_config
from workers.engine import (
    DiffusionEngine,
    DiffusionOutput,
    EngineEvent,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestFailed,
    RequestFinished,
)
from workers.executors.uni import UniProcDiffusionExecutor
from workers.prompts import Prompt, read_prompts
from workers.results import OmniRequestOutput, result_of
from workers.stepping.running import RunnerStats


class Omni:
    """One pipeline whose calls are batched call by call.

    Give a loaded diffusers `pipeline`, which stays as it is, or `model`: a folder or hub id. Further arguments are
    fields of OmniDiffusionConfig, or vLLM-Omni's names for them (see `dialect`). `caps` is here "fixed(8)" unless
    said otherwise: who calls `map` wants company.

    Raises:
        Misconfigured: an option is unknown or asks for what is not served; the model does not load.
    """

    def __init__(
        self, model: str | None = None, *, pipeline: Any = None, caps: str = "fixed(8)", **options: Any
    ) -> None:
        asked = {"model": model, "pipeline": pipeline, "caps": caps, "offline": True} | options
        self._engine = DiffusionEngine(engine_config(asked), on_event=self._note)
        self._ended: dict[str, DiffusionOutput | BaseException] = {}

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
        ended = self._run(requests)
        outputs = [_own_output(ended[request.request_id]) for request in requests]
        if not return_exceptions:
            for output in outputs:
                if isinstance(output, BaseException):
                    raise output
        return outputs

    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        sampling_params: OmniDiffusionSamplingParams | Sequence[OmniDiffusionSamplingParams] | None = None,
    ) -> list[OmniRequestOutput]:
        """Run prompts together: strings, or `{"prompt", "negative_prompt", "multi_modal_data": {"image": ...}}`.

        Parameters are one for all prompts or one for each. A prompt that fails carries its `error`; the others
        are not touched. `num_outputs_per_prompt` outputs have the seeds seed, seed + 1, and so on.

        Raises:
            InvalidRequest: there are neither one nor as many parameters as prompts.
        """
        asked = read_prompts(prompts, sampling_params)
        ended = self._run([request for one in asked for request in one.requests])
        return [result_of(one, ended) for one in asked]

    def merge_rules(self) -> tuple[str, ...]:
        """What merging has needed so far beyond joining rows, as proved, in words."""
        executor = self._engine.executor
        assert isinstance(executor, UniProcDiffusionExecutor)
        return executor.model_runner.prover.rules()

    def close(self) -> None:
        """Release the pipeline."""
        self._engine.close()

    def _run(self, requests: Sequence[OmniDiffusionRequest]) -> dict[str, DiffusionOutput | BaseException]:
        """Run these to their ends, as many at once as fit."""
        waiting = list(reversed(requests))
        window = self._engine.od_config.max_num_seqs
        while waiting or not self._engine.is_idle:
            for _ in range(min(len(waiting), window - len(self._engine.request_ids))):
                self._engine.submit(waiting.pop())
            self._engine.advance()
        return {request.request_id: self._ended.pop(request.request_id) for request in requests}

    def _note(self, event: EngineEvent) -> None:
        match event:
            case RequestFinished(request_id, output):
                self._ended[request_id] = output
            case RequestFailed(request_id, error):
                self._ended[request_id] = error


def _own_output(end: DiffusionOutput | BaseException) -> Any:
    return end if isinstance(end, BaseException) else end.output
