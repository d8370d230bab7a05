"""Two real ranks of one model: the same forwards on both, whatever one of them measures or raises."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from omni_jobs.errors import EngineUnavailable
from tests.executors.processes import children, shared_memory
from tests.stepping.custom import ModuleContract
from workers import Omni
from workers.engine import (
    EngineEvent,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    RequestNotSaved,
    RequestResumed,
)
from workers.prompts import read_prompts
from workers.results import OmniRequestOutput

CUSTOM = {"pipeline_class": "tests.stepping.custom.ModuleContract"}
STEPS = (2, 5, 3, 4)


@pytest.fixture
def omni(group: Omni) -> Omni:
    """The group with a freshly loaded pipeline: no fault, no proof, no count."""
    group._engine.re_init_pipeline(CUSTOM)
    return group


@pytest.fixture(scope="module")
def group() -> Iterator[Omni]:
    before, memory = children(), shared_memory()
    omni = Omni(
        model="anything",
        num_gpus=2,
        custom_pipeline_args=CUSTOM,
        worker_extension_cls="tests.executors.planting.Planting",
        executor_options={"reply_seconds": 60},
    )
    yield omni
    omni.close()
    assert children() == before
    assert shared_memory() == memory


def rpc(omni: Omni, method: str, *args: Any) -> Any:
    return omni._engine.collective_rpc(method, 60, args)


def in_step(omni: Omni) -> bool:
    """Whether both ranks count the same."""
    first, second = (replace(stats, device_seconds=0.0) for stats in rpc(omni, "runner_stats"))
    return bool(first == second)


def draw(omni: Omni, prompts: list[str] | None = None) -> list[OmniRequestOutput]:
    return omni.generate(prompts or ["a"] * len(STEPS), [params(seed) for seed in range(len(STEPS))])


def params(seed: int) -> OmniDiffusionSamplingParams:
    return OmniDiffusionSamplingParams(seed=seed, num_inference_steps=STEPS[seed])


def check(results: list[OmniRequestOutput]) -> None:
    """All pictures are those of one process alone."""
    alone = ModuleContract(od_config=OmniDiffusionConfig())
    for seed, result in enumerate(results):
        if result.prompt != "fail":
            (request,) = read_prompts("a", params(seed))[0].requests
            torch.testing.assert_close(result.images[0], alone(request).output, rtol=1e-4, atol=1e-5)


def test_ranks_prove_and_share_in_step(omni: Omni) -> None:
    check(draw(omni))
    check(draw(omni))
    assert omni.stats.forwards == 2 * max(STEPS)
    assert in_step(omni)
    assert len(set(rpc(omni, "forwards_run"))) == 1
    assert [rank for rank, _ in rpc(omni, "place")] == [0, 1]


def test_one_bad_request_leaves_the_ranks_in_step(omni: Omni) -> None:
    results = draw(omni, ["a", "fail", "a", "a"])
    assert "not wanted" in (results[1].error or "")
    check(results)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("fault", ["no room", "refuses"])
def test_what_one_rank_cannot_all_ranks_do_otherwise(omni: Omni, fault: str, rank: int) -> None:
    rpc(omni, "plant", fault, rank)
    check(draw(omni))
    assert omni.stats.forwards == omni.stats.calls == sum(STEPS)


def test_rank_0_alone_judges_merges(omni: Omni) -> None:
    rpc(omni, "plant", "drifts", 1)
    check(draw(omni))
    assert omni.stats.forwards == max(STEPS)
    assert in_step(omni)


def test_ranks_neither_save_nor_take_up_and_say_so(omni: Omni, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that one of them refused and another took up would part them."""
    told: list[EngineEvent] = []
    monkeypatch.setattr(omni._engine, "_on_event", told.append)
    request = OmniDiffusionRequest(
        prompt="a", sampling_params=params(1), resumable=True, checkpoint=b"of one device"
    )
    omni._engine.submit(request)
    for _ in range(2):
        omni._engine.advance()
    omni._engine.hand_back(request.request_id)
    omni._engine.advance()
    (resumed,) = [event for event in told if isinstance(event, RequestResumed)]
    (unsaved,) = [event for event in told if isinstance(event, RequestNotSaved)]
    assert (resumed.step, resumed.refused) == (0, "it spans several devices")
    assert "MultiProcDiffusionExecutor cannot save" in unsaved.reason


def test_requests_without_a_seed_draw_the_same_on_all_ranks(omni: Omni) -> None:
    omni.generate(["a"] * 3)
    draws = [state.tolist() for state in rpc(omni, "random_state")]
    assert draws[0] == draws[1]


def test_at_last_a_rank_killed_in_a_forward_ends_the_group(omni: Omni) -> None:
    (_, survivor), (_, victim) = rpc(omni, "place")
    watched = os.pidfd_open(survivor)
    rpc(omni, "plant", "kill", 1)
    with pytest.raises(EngineUnavailable, match=rf"process {victim}\) was killed by signal 6"):
        draw(omni)
    assert select.select([watched], [], [], 0)[0], "the other rank outlived the group"
    os.close(watched)
    assert not children() & {survivor, victim}
