"""The in-process door, no server at all: `Omni(pipeline=pipe).map(calls)` runs plain pipeline calls together, and
`generate` takes prompts as vLLM-Omni does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from omni_jobs.errors import ExecutionFailed, Misconfigured
from omni_jobs.schemas import nearest
from workers.dialect import engine_config
from workers.engine import (
    DiffusionEngine,
    DiffusionOutput,
    EngineEvent,
    LoRARequest,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestFailed,
    RequestFinished,
    RequestResumed,
)
from workers.processing import Processing, with_defaults
from workers.prompts import Asked, Prompt, read_prompts
from workers.registry import read_rows
from workers.results import OmniRequestOutput, result_of
from workers.resuming import Resumption, save
from workers.stepping.running import RunnerStats


class Omni:
    """One pipeline whose calls are batched call by call.

    Give a loaded diffusers `pipeline`, which stays as it is, or `model`: a folder, a hub id, or a model known by
    name (`register_model`; `omni-jobs models --known`), whose defaults then hold in `generate`. Further arguments
    are fields of OmniDiffusionConfig, or vLLM-Omni's names for them (see `dialect`). `caps` is here "fixed(8)"
    unless said otherwise: who calls `map` wants company.

    Raises:
        Misconfigured: an option is unknown or asks for what is not served; the model does not load.
    """

    def __init__(
        self, model: str | None = None, *, pipeline: Any = None, caps: str = "fixed(8)", **options: Any
    ) -> None:
        asked = {"model": model, "pipeline": pipeline, "caps": caps, "offline": True} | options
        self._engine = DiffusionEngine(engine_config(asked), on_event=self._note)
        self._is_callers = pipeline is not None
        self._processing = Processing(self._engine.od_config)
        self._ended: dict[str, DiffusionOutput | BaseException] = {}
        self._resumed: dict[str, RequestResumed] = {}

    @classmethod
    def from_toml(cls, path: str | Path, name: str, **options: Any) -> Omni:
        """The model of this name in an `omni.toml`, as a worker would load it. `options` win over the row.

        Raises:
            Misconfigured: the file or the model in it is not as it should be.
        """
        rows = {row.name: row for row in read_rows(Path(path))}
        if name not in rows:
            raise Misconfigured(f"{path} has no model {name!r}.", field="name", remedy=nearest(name, rows))
        config = rows[name].engine_config()
        facts = {item.name: getattr(config, item.name) for item in fields(config)}
        usual = {"caps": "fixed(8)", "offline": True} if config.caps == "measured" else {"offline": True}
        return cls(**{**facts, **usual, **options})

    @property
    def stats(self) -> RunnerStats:
        """Of the denoise lane, since the start: calls, calls_saved, forwards, max_batch, solo_reasons, proofs."""
        stats: RunnerStats = self._engine.collective_rpc("runner_stats", unique_reply_rank=0)
        return stats

    def map(
        self,
        calls: Iterable[Mapping[str, Any]],
        return_exceptions: bool = False,
        loras: Iterable[Sequence[LoRARequest]] | None = None,
    ) -> list[Any]:
        """Run calls, each the keyword arguments of one pipeline call, and return the pipeline's outputs in order.

        Alone, a call's output is bit-identical to `pipe(**call)`. With `return_exceptions` a failed call leaves
        its exception in the list; else the first one is raised after all have ended. `loras` holds the adapters of
        each call, in order; then alone means: after `load_lora_weights` and `set_adapters` with these.

        Raises:
            ValueError: there are not as many `loras` as calls.
        """
        listed = [dict(call) for call in calls]
        given = [()] * len(listed) if loras is None else [tuple(own) for own in loras]
        requests = [
            OmniDiffusionRequest(arguments=call, sampling_params=OmniDiffusionSamplingParams(lora_request=own))
            for call, own in zip(listed, given, strict=True)
        ]
        ended = self._run(requests)
        outputs = [_own_output(ended[request.request_id]) for request in requests]
        if not return_exceptions:
            for output in outputs:
                if isinstance(output, BaseException):
                    raise output
        return outputs

    def checkpoint(
        self, call: Mapping[str, Any], *, after_steps: int = 0, after_calls: int = 0, start: bytes | None = None
    ) -> bytes:
        """Run one call until so many denoising steps are done, and save it at its next call.

        `after_calls` counts the denoiser calls made here instead. `start` is a checkpoint from which it goes on.
        The bytes are a safetensors file; `resume` takes it up, in this process or any other that has the same
        model, versions and kind of device.

        Raises:
            InvalidRequest: neither number is given, or both.
            ExecutionFailed: it ended before, or could not be saved from there on; the message says why.
        """
        request = OmniDiffusionRequest(arguments=dict(call), resumable=True, checkpoint=start)
        self._distrust_encodings()
        saved = save(self._engine, request, after_steps, after_calls)
        end = self._ended.pop(request.request_id, None)
        if isinstance(end, BaseException):
            raise end
        if isinstance(saved, str):
            raise ExecutionFailed(f"The call was not saved: {saved}.")
        return saved

    def resume(self, call: Mapping[str, Any], checkpoint: bytes) -> Resumption:
        """Go on with a call from its checkpoint. `call` is given as it was the first time, generators fresh.

        The output is bit-identical to that of the call run alone without a pause. A checkpoint that is damaged, or
        of another call, model, version or device, is refused: the call then runs from its start, and
        `Resumption.refused` says why.
        """
        request = OmniDiffusionRequest(arguments=dict(call), checkpoint=checkpoint)
        self._resumed[request.request_id] = RequestResumed(request.request_id, 0, "it ended before its checkpoint")
        output = _own_output(self._run([request])[request.request_id])
        resumed = self._resumed.pop(request.request_id)
        if isinstance(output, BaseException):
            raise output
        return Resumption(output, resumed.step, resumed.refused)

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
        for one in asked:
            self._prepare(one)
        ended = self._run([request for one in asked for request in one.requests])
        finished = {name: self._finished(end) for name, end in ended.items()}
        return [result_of(one, finished) for one in asked]

    def merge_rules(self) -> tuple[str, ...]:
        """What merging has needed so far beyond joining rows, as proved, in words."""
        rules: tuple[str, ...] = self._engine.collective_rpc("merge_rules", unique_reply_rank=0)
        return rules

    def proven_rules(self) -> list[dict[str, Any]]:
        """What was proved so far, as JSON: with it as `merge_rules` another process need not prove it again."""
        rules: list[dict[str, Any]] = self._engine.collective_rpc("proven_rules", unique_reply_rank=0)
        return rules

    def sleep(self, level: int = 1) -> None:
        """Free the device between calls: the weights wait in host memory; at level 2 they are dropped.

        Raises:
            Misconfigured: the weights must stay where they are.
        """
        self._engine.collective_rpc("sleep", args=(level,))

    def wake_up(self) -> None:
        """Bring the weights back; calls work again."""
        self._engine.collective_rpc("wake_up")

    def close(self) -> None:
        """Release the pipeline."""
        self._engine.close()

    def _distrust_encodings(self) -> None:
        """A caller may have written into its pipeline's weights: through `tensor.data` that leaves no trace."""
        if self._is_callers:
            self._engine.collective_rpc("forget_encodings")

    def _run(self, requests: Sequence[OmniDiffusionRequest]) -> dict[str, DiffusionOutput | BaseException]:
        """Run these to their ends, as many at once as fit."""
        self._distrust_encodings()
        waiting = list(reversed(requests))
        window = self._engine.executor.max_num_seqs
        while waiting or not self._engine.is_idle:
            for _ in range(min(len(waiting), window - len(self._engine.request_ids))):
                self._engine.submit(waiting.pop())
            self._engine.advance()
        return {request.request_id: self._ended.pop(request.request_id) for request in requests}

    def _prepare(self, asked: Asked) -> None:
        """The model's defaults and pre-processing; what goes wrong is this prompt's own error."""
        defaults = self._engine.od_config.defaults
        try:
            asked.requests = tuple(
                self._processing.prepare(with_defaults(request, defaults)) for request in asked.requests
            )
        except Exception as error:  # noqa: BLE001  whatever the model's function says of these pictures
            asked.requests, asked.error = (), error

    def _finished(self, end: DiffusionOutput | BaseException) -> DiffusionOutput | BaseException:
        if isinstance(end, BaseException):
            return end
        try:
            return self._processing.finish(end)
        except Exception as error:  # noqa: BLE001  whatever the model's function says of this output
            return error

    def _note(self, event: EngineEvent) -> None:
        match event:
            case RequestFinished(request_id, output):
                self._ended[request_id] = output
            case RequestFailed(request_id, error):
                self._ended[request_id] = error
            case RequestResumed(request_id):
                self._resumed[request_id] = event


def _own_output(end: DiffusionOutput | BaseException) -> Any:
    return end if isinstance(end, BaseException) else end.output
