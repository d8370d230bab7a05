"""Runs the admitted shapes before the first job, so that nothing is compiled or recorded while jobs wait.

The runner itself is warmed, with made-up requests that share forwards as jobs will: what is compiled, and what is
proved of merging, is what jobs will need. Executors call `warm_up` before they report ready.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from omni_jobs.errors import Misconfigured
from workers.acceleration.compiling import stop_compiling
from workers.acceleration.graphs import graphed
from workers.acceleration.options import accelerations
from workers.acceleration.parts import Parts
from workers.acceleration.refusal import REFUSALS, refused
from workers.engine.batcher import Batcher, fixed
from workers.engine.calls import Advance, Failed, Parked
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import DeviceOutOfMemory
from workers.engine.request import OmniDiffusionRequest, OmniDiffusionSamplingParams
from workers.runner import DiffusionModelRunner
from workers.stepping.running import RunnerStats

#: Words for the prompts: of two lengths, since text lengths are shapes too.
PROMPTS = ("a cat", "a cat and a dog under a tall old tree, seen from far away on a rainy day in autumn")
#: With dynamic sizes one, two and many are all there is.
DYNAMIC_BATCHES = (1, 2, 4)
#: Batch sizes that get a graph; others run as ever.
GRAPH_BATCHES = (1, 2, 4, 8)
#: Steps of a warm-up call, unless it says: the first and the following are not always alike.
STEPS = 2


def warm_up(runner: DiffusionModelRunner, od_config: OmniDiffusionConfig) -> None:
    """Run every call of `warmup` at every batch size, if something is compiled or recorded or `warmup` is given.

    Raises:
        Misconfigured: a call failed, or its shapes cannot be compiled.
    """
    options = accelerations(od_config.acceleration)
    if not options.keys() & {"compile", "cuda_graphs", "warmup"}:
        return
    parts = Parts(runner.pipeline)
    forwards = graphed(parts)
    for forward in forwards:
        forward.is_recording = True
    for call in options.get("warmup", [{}]):
        for size in batch_sizes(options, od_config.caps):
            for requests in _companies(runner.pipeline, {**od_config.defaults, **call}, size):
                _run(runner, requests, size)
    for forward in forwards:
        forward.is_recording = False
    stop_compiling(parts)
    runner.stats = RunnerStats()


def batch_sizes(options: Mapping[str, Any], caps: str) -> tuple[int, ...]:
    """The batch sizes to warm: those given, else what the caps admit and the options tell apart.

    Raises:
        Misconfigured: every size would be compiled by itself and nothing says how many there are.
    """
    if "warmup_batches" in options:
        return tuple(options["warmup_batches"])
    fixed_cap = re.fullmatch(r"fixed\((\d+)\)", caps)
    most = int(fixed_cap[1]) if fixed_cap else max(GRAPH_BATCHES)
    if "compile" in options and options["compile"].get("dynamic") is False:
        if fixed_cap is None:
            raise refused(
                "compile",
                options["compile"],
                "without dynamic sizes each batch size is compiled by itself, and measured caps know no greatest.",
                'Give caps = "fixed(n)" or `warmup_batches`.',
            )
        return tuple(range(1, most + 1))
    sizes = GRAPH_BATCHES if "cuda_graphs" in options else DYNAMIC_BATCHES
    return tuple(size for size in sizes if size <= most)


def _companies(
    pipeline: Any, parameters: Mapping[str, Any], size: int
) -> Iterator[Sequence[OmniDiffusionRequest]]:
    """Requests that run together: all short, and all long texts. With a picture where the pipeline wants one."""
    given = {"num_inference_steps": STEPS, **parameters}
    wants_picture = given.pop("image", False) or _requires(pipeline, "image")
    picture = Image.new("RGB", (given.get("width", 512), given.get("height", 512)), "gray")
    names = inspect.signature(OmniDiffusionSamplingParams).parameters
    params = OmniDiffusionSamplingParams(
        **{name: value for name, value in given.items() if name in names},
        extra_args={name: value for name, value in given.items() if name not in names},
    )
    for prompt in PROMPTS:
        request = OmniDiffusionRequest(prompt=prompt, images=(picture,) if wants_picture else ())
        yield [
            replace(request, request_id=f"warmup-{seed}", sampling_params=replace(params, seed=seed))
            for seed in range(size)
        ]


def _requires(pipeline: Any, name: str) -> bool:
    called = getattr(pipeline, "pipeline", pipeline)
    parameter = inspect.signature(type(called).__call__).parameters.get(name)
    return parameter is not None and parameter.default is parameter.empty


def _run(runner: DiffusionModelRunner, requests: Sequence[OmniDiffusionRequest], size: int) -> None:
    """Run these requests to their ends in shared batches."""
    batcher = Batcher(fixed(size), offline=True)
    try:
        _take(batcher, [runner.add(request) for request in requests])
        while batch := batcher.next_batch():
            _take(batcher, runner.execute([call.call_id for call in batch]).advances)
    except DeviceOutOfMemory as error:
        reason = f"a batch of {size} does not fit the device: {str(error)[:400]}"
        raise refused("warmup", size, reason, 'Give smaller `warmup_batches`, or caps = "fixed(n)".') from error
    except REFUSALS as error:
        raise refused("warmup", size, f"a batch of {size} failed: {str(error)[:400]}") from error
    finally:
        for request in requests:
            runner.drop(request.request_id)


def _take(batcher: Batcher, advances: Sequence[Advance]) -> None:
    for advance in advances:
        if isinstance(advance, Parked):
            batcher.add(advance.call)
        elif isinstance(advance, Failed):
            raise Misconfigured(
                f"`acceleration.warmup`: a warm-up call failed: {advance.error}",
                field="acceleration.warmup",
                remedy="Give the parameters that the pipeline needs.",
            ) from advance.error
