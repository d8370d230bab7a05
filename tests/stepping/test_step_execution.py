"""Native step execution next to the generic one: equal results, and every mistake that its review found."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from benchmarks.zoo import case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.stepping.pipelines import Denoiser, TinyPipeline, seeded
from workers import Omni
from workers.engine import DiffusionOutput, OmniDiffusionRequest
from workers.models.qwen_image import QwenImageStepPipeline
from workers.stepping.protocol import METHODS, DiffusionRequestState, drive, supports_step_execution

PROMPTS = (
    "a cup of coffee on a wooden table, morning light, photorealistic",
    "a red panda sitting on a tree branch in a bamboo forest, soft focus background",
    "an astronaut riding a horse on the surface of Mars, cinematic lighting",
    "a cozy cabin in the snowy mountains at sunset, warm glow from windows",
    "a futuristic cityscape with flying cars and neon lights, cyberpunk style",
)
SIZES = ((32, 32), (32, 48), (48, 32))
BOUND = 1e-4


@pytest.fixture(scope="module")
def plain() -> Any:
    pipeline = case("qwen-image").build()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def native(plain: Any) -> QwenImageStepPipeline:
    pipeline = QwenImageStepPipeline(**plain.components)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def inputs(number: int, size: tuple[int, int] = SIZES[0], steps: int = 3, **more: Any) -> dict[str, Any]:
    arguments = case("qwen-image").inputs(seed=number, prompt=PROMPTS[number], steps=steps, size=size)
    return arguments | more


def digest(output: Any) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in flatten_output(output))).hexdigest()


def driven(pipeline: Any, arguments: dict[str, Any]) -> Any:
    return drive(pipeline, DiffusionRequestState("req"), **arguments).output


@pytest.mark.parametrize("size", SIZES)
def test_plain_stepwise_and_native_are_hash_equal(plain: Any, native: Any, size: tuple[int, int]) -> None:
    generic, stepping = Omni(pipeline=plain), Omni(pipeline=native)
    for number in range(len(PROMPTS)):
        expected = digest(plain(**inputs(number, size)))
        assert digest(driven(native, inputs(number, size))) == expected
        assert digest(generic.map([inputs(number, size)])[0]) == expected
        assert digest(stepping.map([inputs(number, size)])[0]) == expected


def test_native_steps_share_forwards(plain: Any, native: Any) -> None:
    steps = (2, 4, 3)
    omni = Omni(pipeline=native)
    together = omni.map([inputs(number, steps=steps[number]) for number in range(3)])
    for number, output in enumerate(together):
        alone = plain(**inputs(number, steps=steps[number]))
        pairs = zip(flatten_output(output), flatten_output(alone), strict=True)
        assert max(abs(mine - theirs).max() for mine, theirs in pairs) <= BOUND
    assert omni.stats.forwards < omni.stats.calls


def test_requests_on_one_pipeline_do_not_share_a_scheduler(plain: Any, native: Any) -> None:
    states = [
        native.prepare_encode(DiffusionRequestState(str(number)), **inputs(number, steps=2 + number))
        for number in range(2)
    ]
    assert states[0].scheduler is not states[1].scheduler
    assert all(state.scheduler is not native.scheduler for state in states)
    while any(not state.denoise_completed for state in states):
        for state in states:
            if not state.denoise_completed:
                native.step_scheduler(state, native.denoise_step(state))
    for number, state in enumerate(states):
        expected = digest(plain(**inputs(number, steps=2 + number)))
        assert digest(native.post_decode(state).output) == expected


def interrupt_at(index: int) -> Any:
    def callback(pipeline: Any, step: int, _timestep: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        pipeline._interrupt = step >= index
        return {}

    return callback


def test_an_interrupt_ends_the_loop_and_decodes_what_is_there(plain: Any, native: Any) -> None:
    whole = digest(plain(**inputs(0, steps=4)))
    expected = digest(plain(**inputs(0, steps=4, callback_on_step_end=interrupt_at(1))))
    assert expected != whole
    assert digest(driven(native, inputs(0, steps=4, callback_on_step_end=interrupt_at(1)))) == expected
    (alone,) = Omni(pipeline=native).map([inputs(0, steps=4, callback_on_step_end=interrupt_at(1))])
    assert digest(alone) == expected


def test_a_none_never_reaches_the_scheduler(native: Any) -> None:
    state = native.prepare_encode(DiffusionRequestState("req"), **inputs(0))
    native._interrupt = True
    assert native.denoise_step(state) is None
    native._interrupt = False
    assert state.step_index == 0


def test_the_state_is_named_not_positional() -> None:
    names = {item.name for item in dataclasses.fields(DiffusionRequestState)}
    assert {"prompt_embeds", "prompt_embeds_mask", "latents", "timesteps", "step_index", "scheduler"} <= names
    with pytest.raises(TypeError):
        iter(DiffusionRequestState("req"))  # type: ignore[call-overload]


def test_the_state_tells_where_it_is() -> None:
    state = DiffusionRequestState("req", timesteps=torch.tensor([900.0, 400.0]))
    assert state.total_steps == 2
    assert state.current_timestep == torch.tensor(900.0)
    assert not state.denoise_completed
    state.step_index = 2
    assert state.current_timestep is None
    assert bool(state.denoise_completed)


@pytest.mark.parametrize("negative", [None, "", " ", "blurry"])
def test_prompts_mean_the_same_on_both_paths(plain: Any, native: Any, negative: str | None) -> None:
    expected = digest(plain(**inputs(1, negative_prompt=negative)))
    assert digest(driven(native, inputs(1, negative_prompt=negative))) == expected
    # A call's own prompt wins over the state's, and an absent one is filled from it.
    state = DiffusionRequestState("req", prompt="something else", negative_prompt="ugly")
    assert digest(drive(native, state, **inputs(1, negative_prompt=negative)).output) == expected
    state = DiffusionRequestState("req", prompt=PROMPTS[1], negative_prompt=negative)
    silent = {name: value for name, value in inputs(1).items() if "prompt" not in name}
    assert digest(drive(native, state, **silent).output) == expected


def test_both_paths_refuse_the_same_arguments(plain: Any, native: Any) -> None:
    ways: list[Callable[[dict[str, Any]], Any]] = [
        lambda given: plain(**given),
        lambda given: driven(native, given),
    ]
    for wrong, error in (({"colour": "red"}, TypeError), ({"max_sequence_length": 5000}, ValueError)):
        for run in ways:
            with pytest.raises(error):
                run(inputs(0, **wrong))
        with pytest.raises(error):
            Omni(pipeline=native).map([inputs(0, **wrong)])


def test_no_timestep_is_left_on_the_pipeline(native: Any) -> None:
    driven(native, inputs(0))
    assert native.current_timestep is None
    driven(native, inputs(0, callback_on_step_end=interrupt_at(0)))
    assert native.current_timestep is None


class SteppedTiny(TinyPipeline):
    """Our own toy, stepping natively; `habit` "forgets" to count its steps."""

    supports_step_execution: ClassVar[Any] = True
    forgets: ClassVar[bool] = False

    def prepare_encode(self, state: DiffusionRequestState, **kwargs: Any) -> DiffusionRequestState:
        self.scheduler.set_timesteps(kwargs.get("num_inference_steps", 3))
        state.timesteps = self.scheduler.timesteps
        state.latents = torch.randn(1, 8, generator=kwargs["generator"], dtype=self.unet.dtype)
        return state

    @torch.no_grad()
    def denoise_step(self, state: DiffusionRequestState, **_kwargs: Any) -> torch.Tensor | None:
        timestep = state.current_timestep
        extras = [torch.ones(1, 8, dtype=self.unet.dtype)]
        return self.unet(self.scheduler.scale_model_input(state.latents, timestep), timestep, extras=extras)

    def step_scheduler(self, state: DiffusionRequestState, noise_pred: torch.Tensor, **_kwargs: Any) -> None:
        state.latents = self.scheduler.step(noise_pred, state.current_timestep, state.latents)[0]
        state.step_index += not self.forgets

    def post_decode(self, state: DiffusionRequestState, **_kwargs: Any) -> DiffusionOutput:
        return DiffusionOutput(output=state.latents)


def toy(kind: type[TinyPipeline]) -> TinyPipeline:
    pipeline = kind(Denoiser(), EulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class NamesOnly(SteppedTiny):
    """Has all four names and says that it does not step."""

    supports_step_execution = False


def test_capability_is_a_value_not_a_set_of_names() -> None:
    assert supports_step_execution(toy(SteppedTiny))
    assert not supports_step_execution(toy(NamesOnly))
    assert not supports_step_execution(toy(TinyPipeline))
    truthy = toy(SteppedTiny)
    truthy.__dict__["supports_step_execution"] = "yes"
    assert not supports_step_execution(truthy)
    (called,) = Omni(pipeline=toy(NamesOnly)).map([{"generator": seeded(1)}])
    assert torch.equal(called, toy(TinyPipeline)(generator=seeded(1)))


def test_a_promise_without_methods_is_refused_at_once() -> None:
    lacking = type("Lacking", (TinyPipeline,), {"supports_step_execution": True})
    with pytest.raises(Misconfigured, match=METHODS[0]):
        Omni(pipeline=toy(lacking))


def test_a_scheduler_step_that_counts_nothing_fails_its_own_request() -> None:
    forgetful = type("Forgetful", (SteppedTiny,), {"forgets": True})
    (failed,) = Omni(pipeline=toy(forgetful)).map([{"generator": seeded(1)}], return_exceptions=True)
    assert isinstance(failed, Misconfigured)
    assert "step_index" in str(failed)


def test_progress_of_native_steps_is_counted() -> None:
    from workers.engine import DiffusionEngine, EngineEvent, OmniDiffusionConfig, RequestProgress

    seen: list[EngineEvent] = []
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=toy(SteppedTiny), caps="fixed(4)"), on_event=seen.append)
    engine.step([OmniDiffusionRequest(arguments={"generator": seeded(1), "num_inference_steps": 4})])
    steps = [(event.step, event.steps) for event in seen if isinstance(event, RequestProgress)]
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4)]
