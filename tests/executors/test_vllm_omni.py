"""Somebody else's engine behind ours: vLLM-Omni's interface, played by a stand-in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omni_jobs.errors import EngineUnavailable, Misconfigured
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.engine.request import (
    EngineEvent,
    LoRARequest,
    OmniDiffusionSamplingParams,
    RequestCanceled,
    RequestFailed,
    RequestFinished,
)
from workers.registry import ModelRow

STANDIN = Path(__file__).parent / "standin"


def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("vllm", "vllm_omni")]:
        del sys.modules[name]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The stand-in, importable; what it was asked."""
    forget()
    monkeypatch.syspath_prepend(STANDIN)
    from vllm_omni.entrypoints import async_omni

    yield async_omni.LOG
    forget()


Opened = Callable[..., DiffusionEngine]


@pytest.fixture
def opened(log: list[str]) -> Iterator[Opened]:
    engines: list[DiffusionEngine] = []

    def open_engine(model: str = "somebody/model", **options: Any) -> DiffusionEngine:
        config = OmniDiffusionConfig(
            model=model, distributed_executor_backend="vllm-omni", caps="fixed(8)", executor_options=options
        )
        engines.append(DiffusionEngine(config))
        return engines[-1]

    yield open_engine
    for engine in engines:
        engine.close()


def asked(prompt: str, **more: Any) -> OmniDiffusionRequest:
    params = OmniDiffusionSamplingParams(width=32, height=16, seed=7, **more)
    return OmniDiffusionRequest(prompt=prompt, sampling_params=params, request_id=prompt.replace(" ", "-"))


def run(engine: DiffusionEngine, *requests: OmniDiffusionRequest) -> dict[str, EngineEvent]:
    ended: dict[str, EngineEvent] = {}

    def hear(event: EngineEvent) -> None:
        if isinstance(event, RequestFinished | RequestFailed | RequestCanceled):
            ended[event.request_id] = event

    engine._on_event = hear
    for request in requests:
        engine.submit(request)
    while len(ended) < len(requests):
        engine.advance()
        if "endless" in engine.request_ids and len(ended) == len(requests) - 1:
            engine.cancel("endless")
    return ended


def run_to_the_end(engine: DiffusionEngine) -> None:
    while not engine.is_idle:
        engine.advance()


def test_requests_are_in_flight_together_and_each_ends_its_own_way(opened: Opened, log: list[str]) -> None:
    engine = opened(tensor_parallel_size=2)
    ended = run(engine, asked("endless"), asked("a fox"), asked("broken"), asked("refused"), asked("a cup"))
    fox, cup = ended["a-fox"], ended["a-cup"]
    assert isinstance(fox, RequestFinished)
    assert isinstance(cup, RequestFinished)
    pictures = [np.asarray(event.output.output.images[0]) for event in (fox, cup)]
    assert pictures[0].shape == (16, 32, 3)
    assert (pictures[0] != pictures[1]).any()
    for name, words in (("broken", "the stage failed"), ("refused", "refused by the model")):
        event = ended[name]
        assert isinstance(event, RequestFailed)
        assert words in str(event.error)
    assert isinstance(ended["endless"], RequestCanceled)
    engine.close()
    assert log[0] == "made somebody/model [('tensor_parallel_size', 2)]"
    assert "aborted endless" in log
    assert log[-1] == "shut down"


def test_parameters_go_by_vllm_omnis_names(opened: Opened) -> None:
    engine = opened()
    request = asked("a fox", num_inference_steps=5, extra_args={"output_type": "pil", "layers_of": 3})
    params = engine.executor._client._params(request)  # type: ignore[attr-defined]
    assert (params.width, params.height, params.seed, params.num_inference_steps) == (32, 16, 7, 5)
    assert params.output_type == "pil"
    assert params.extra_args == {"layers_of": 3}
    assert params.num_frames == 1


@pytest.mark.parametrize(
    "request_",
    [
        asked("loras", lora_request=LoRARequest("style")),
        OmniDiffusionRequest(prompt="deterministic", deterministic=True, request_id="deterministic"),
        OmniDiffusionRequest(arguments={"prompt": "a fox"}, request_id="arguments"),
    ],
    ids=lambda request: request.request_id,
)
def test_what_does_not_go_through_is_refused_by_name(opened: Opened, request_: OmniDiffusionRequest) -> None:
    event = run(opened(), request_)[request_.request_id]
    assert isinstance(event, RequestFailed)
    assert f"`{request_.request_id}`" in str(event.error)


def test_an_engine_that_gives_no_sign_ends(opened: Opened) -> None:
    engine = opened(silence_seconds=0.0)
    engine.submit(asked("endless"))
    with pytest.raises(EngineUnavailable, match="finished nothing"):
        run_to_the_end(engine)


def test_health_and_calls_to_its_workers(opened: Opened) -> None:
    engine = opened()
    engine.executor.check_health()
    assert engine.collective_rpc("list_loras") == ["list_loras()"]
    with pytest.raises(EngineUnavailable, match="not alive"):
        opened("ill").executor.check_health()


@pytest.mark.parametrize(
    ("omni", "vllm", "words"),
    [
        ("0.28.0", "0.30.0", "needs vllm-omni 0.30, and 0.28.0 is installed"),
        ("0.30.0", "0.32.1", "needs vllm 0.30, and 0.32.1 is installed"),
    ],
)
def test_other_versions_are_refused(
    log: list[str], monkeypatch: pytest.MonkeyPatch, omni: str, vllm: str, words: str
) -> None:
    import vllm as standin

    from workers.executors import vllm_omni_client

    monkeypatch.setattr(standin, "__version__", vllm)
    monkeypatch.setattr(vllm_omni_client, "version", lambda _name: omni)
    with pytest.raises(Misconfigured, match=words) as caught:
        vllm_omni_client.check_versions()
    assert "pip install 'vllm-omni==0.30.*' 'vllm==0.30.*'" in str(caught.value)
    assert log[:1] != ["made"]


def test_without_it_the_remedy_is_told() -> None:
    config = OmniDiffusionConfig(model="somebody/model", distributed_executor_backend="vllm-omni")
    with pytest.raises(Misconfigured, match="vllm-omni cannot be used") as caught:
        DiffusionEngine(config)
    assert "In an environment of its own: pip install" in str(caught.value)


def test_the_card_is_that_of_the_pipeline_it_follows(opened: Opened) -> None:
    engine = opened()

    def card(**facts: Any) -> dict[str, Any]:
        row = ModelRow("model", "somebody/model", executor="vllm-omni", **facts)
        described = engine.collective_rpc("describe", args=(row,), unique_reply_rank=0)
        found: dict[str, Any] = described.facts["card"]
        return found

    assert card()["tasks"] == ["generate"]
    edit = card(pipeline_class="QwenImageEditPipeline")
    assert edit["tasks"] == ["edit"]
    assert edit["max_input_images"] > 0
    with pytest.raises(Misconfigured, match="`pipeline_class`: diffusers has no 'NoPipeline'"):
        card(pipeline_class="NoPipeline")
