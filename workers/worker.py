"""One rank's worker: owns its model runner, and has the methods that `collective_rpc` reaches.

Executors make one per rank through `WorkerWrapperBase`, in this process or in another.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, Misconfigured
from workers.acceleration.warmup import warm_up
from workers.arguments import arguments_for
from workers.engine.calls import Advance, Checkpoint, Failed, StepResult
from workers.engine.config import OmniDiffusionConfig
from workers.engine.request import OmniDiffusionRequest
from workers.engine_process.describe import Description, describe
from workers.loader import load_pipeline
from workers.parallel.apply import parallelize
from workers.registry import ModelRow
from workers.runner import DiffusionModelRunner
from workers.sleeping import put_to_sleep, wake_up
from workers.stepping.cache_config import cache_policy
from workers.stepping.lockstep import ALONE, Lockstep
from workers.stepping.meter import device_facts
from workers.stepping.running import RunnerStats


class DiffusionWorker:
    """Owns one rank's model runner. `model_runner` is None while no pipeline is loaded."""

    od_config: OmniDiffusionConfig
    local_rank: int
    rank: int
    lockstep: Lockstep
    model_runner: DiffusionModelRunner | None

    def __init__(
        self, *, od_config: OmniDiffusionConfig, local_rank: int = 0, rank: int = 0, lockstep: Lockstep = ALONE
    ) -> None:
        """Load the model, unless the configuration leaves that to `re_init_pipeline`.

        Raises:
            Misconfigured: the model does not load.
        """
        self.local_rank, self.rank, self.lockstep = local_rank, rank, lockstep
        self.od_config, self.model_runner = od_config, None
        if od_config.load_format != "dummy" or od_config.custom_pipeline_args is not None:
            self.load_model(od_config)

    def load_model(self, od_config: OmniDiffusionConfig) -> None:
        """Load the pipeline that this configuration means, with a fresh runner: proofs are about one pipeline."""
        if (od_config.device or "").startswith("cuda:"):
            torch.cuda.set_device(od_config.device)
        pipeline = load_pipeline(od_config)
        parallelize(pipeline, od_config, self.lockstep)
        device = str(getattr(pipeline, "_execution_device", "cpu"))
        self.model_runner = DiffusionModelRunner(
            pipeline,
            arguments_for(pipeline, device),
            cache_policy(od_config.cache_backend, od_config.cache_config),
            od_config.merge_rules,
            od_config.lora_cache_bytes,
            self.lockstep,
        )
        if od_config.lora_folder is not None:
            self.model_runner.adapters.check()
        warm_up(self.model_runner, od_config)
        self.od_config = od_config

    def unload_model(self) -> None:
        """Free the pipeline and all that is known of it.

        Raises:
            ExecutionFailed: requests are in flight.
        """
        if self.model_runner is not None and self.model_runner.request_ids:
            raise ExecutionFailed(
                f"{len(self.model_runner.request_ids)} requests are in flight.",
                remedy="Let the engine drain first: DiffusionEngine.re_init_pipeline does.",
            )
        if self.model_runner is not None:
            self.model_runner.close()
        self.model_runner = None
        self.od_config = replace(self.od_config, pipeline=None)
        gc.unfreeze()  # an engine process sets aside what it has loaded
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def sleep(self, level: int = 1) -> None:
        """Free the device: at level 1 the weights wait in host memory, at level 2 they are dropped.

        Raises:
            Misconfigured: the weights must stay where they are. ExecutionFailed: requests are in flight.
        """
        if level == 2:
            self.unload_model()
        elif self.model_runner is not None:
            put_to_sleep(self.model_runner, self.od_config)

    def wake_up(self) -> None:
        """Bring back what `sleep` took away; weights that were dropped are loaded anew."""
        if self.model_runner is None:
            self.load_model(self.od_config)
        else:
            wake_up(self.model_runner)

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        """See DiffusionExecutor.add_requests."""
        if self.model_runner is None:
            error = EngineUnavailable("No pipeline is loaded.", remedy="Call re_init_pipeline.")
            return [Failed(request.request_id, error) for request in requests]
        return [self.model_runner.add(request) for request in requests]

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        """See DiffusionExecutor.execute_step."""
        assert self.model_runner is not None
        return self.model_runner.execute(call_ids)

    def checkpoint(self, request_id: str) -> Checkpoint:
        """See DiffusionExecutor.checkpoint."""
        assert self.model_runner is not None
        return self.model_runner.checkpoint(request_id)

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        """See DiffusionExecutor.drop_requests."""
        for request_id in request_ids:
            if self.model_runner is not None:
                self.model_runner.drop(request_id)

    def max_num_seqs(self) -> int:
        """How many requests may be in flight: one where caches on the model would mix them up."""
        alone = self.model_runner is not None and self.model_runner.hook_caches.is_used
        return 1 if alone else self.od_config.max_num_seqs

    def forget_encodings(self) -> None:
        """Prompts are encoded anew: somebody else may have had the encoders."""
        if self.model_runner is not None:
            self.model_runner.encodings.clear()

    def drop_all(self) -> None:
        """Forget every request: whoever asked for them is gone."""
        if self.model_runner is not None:
            self.drop_requests(self.model_runner.request_ids)

    def seed_random(self, seed: int) -> None:
        """Set torch's global random state: ranks must draw the same numbers."""
        torch.manual_seed(seed)

    def runner_stats(self) -> RunnerStats:
        """What the denoise lane has done since the pipeline was loaded."""
        return self.model_runner.stats if self.model_runner is not None else RunnerStats()

    def describe(self, row: ModelRow) -> Description:
        """What the worker that serves this row tells of it.

        Raises:
            Misconfigured: no pipeline is loaded.
        """
        if self.model_runner is None:
            raise Misconfigured(
                "`load_format`: dummy loads no pipeline, so there is nothing to serve.",
                field="load_format",
                value="dummy",
                remedy="Name a class in `custom_pipeline_args`.",
            )
        return describe(row, self.model_runner.pipeline)

    def identity(self) -> str:
        """What measured times depend on: model, device and versions."""
        facts: list[Any] = [self.od_config.model]
        if self.model_runner is not None:
            pipeline = self.model_runner.pipeline
            facts += [type(pipeline).__qualname__, getattr(pipeline, "dtype", "")]
            facts += device_facts(self.model_runner.device)
        return " ".join(str(fact) for fact in facts)

    def proven_rules(self) -> list[dict[str, Any]]:
        """What was proved so far, as JSON, for `merge_rules` of a row."""
        return self.model_runner.prover.proven() if self.model_runner is not None else []

    def merge_rules(self) -> tuple[str, ...]:
        """What merging has needed so far beyond joining rows, as proved, in words."""
        return self.model_runner.prover.rules() if self.model_runner is not None else ()
