"""What a checkpoint holds and when it is refused, in one interpreter; byte identity across two: `test_resume`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from omni_jobs.errors import ExecutionFailed, InvalidRequest
from tests.stepping.checkpointed import STEPS, call, saved, undisturbed
from tests.stepping.custom import ModuleContract
from tests.stepping.pipelines import Denoiser, TinyPipeline, tiny
from workers import Omni
from workers.engine import OmniDiffusionConfig, OmniDiffusionRequest
from workers.models.qwen_image import QwenImageStepPipeline
from workers.runner import DiffusionModelRunner
from workers.stepping.checkpoint.fingerprint import VERSIONS
from workers.stepping.checkpoint.held import held_around
from workers.stepping.checkpoint.liveness import liveness_of


class TestPlaces:
    """Where a checkpoint can be taken."""

    @pytest.mark.parametrize("after", range(1, STEPS))
    def test_after_every_step(self, after: int) -> None:
        found = Omni(pipeline=tiny()).resume(call(), saved(after=after))
        assert (found.step, found.refused) == (after, None)
        assert torch.equal(found.output, undisturbed())

    def test_one_number_is_asked_for(self) -> None:
        with pytest.raises(InvalidRequest):
            Omni(pipeline=tiny()).checkpoint(call())

    def test_a_call_that_ends_before_says_so(self) -> None:
        with pytest.raises(ExecutionFailed, match="it ended before"):
            saved(after=STEPS + 1)

    def test_a_call_that_fails_before_raises_its_own_error(self) -> None:
        with pytest.raises(ArithmeticError):
            Omni(pipeline=tiny()).checkpoint(call(fail_at=1), after_steps=2)

    def test_others_run_on(self) -> None:
        """In company a request is saved and resumed as alone."""
        requests = [OmniDiffusionRequest(arguments=call(seed), resumable=True) for seed in (3, 4)]
        runner = DiffusionModelRunner(tiny(), lambda request: dict(request.arguments or {}))
        calls = [runner.add(request).call.call_id for request in requests]  # type: ignore[union-attr]
        for _ in range(2):
            calls = [advance.call.call_id for advance in runner.execute(calls).advances]  # type: ignore[union-attr]
        content = runner.checkpoint(requests[0].request_id).to_bytes()
        found = Omni(pipeline=tiny()).resume(call(3), content)
        assert found.refused is None
        assert (found.output - undisturbed()).abs().max() < 1e-5


class TestRefusals:
    """A checkpoint that is no good costs nothing but time, and is named."""

    def refused(self, content: bytes, pipeline: Any | None = None, **changes: Any) -> str:
        arguments = call(**changes)
        found = Omni(pipeline=pipeline or tiny()).resume(arguments, content)
        (expected,) = Omni(pipeline=pipeline or tiny()).map([call(**changes)])
        assert torch.equal(found.output, expected)
        assert found.step == 0
        assert found.refused is not None
        return found.refused

    def test_one_altered_byte(self) -> None:
        content = bytearray(saved())
        content[-3] ^= 1
        assert "checksum" in self.refused(bytes(content))

    def test_an_altered_state(self) -> None:
        content = saved()
        assert "checksum" in self.refused(content.replace(b'place\\":[2', b'place\\":[1', 1))

    @pytest.mark.parametrize("length", [0, 5, 400, -1])
    def test_a_part_of_a_file(self, length: int) -> None:
        assert "no checkpoint" in self.refused(saved()[:length])

    def test_something_else(self) -> None:
        assert "no checkpoint" in self.refused(b"\x89PNG" * 100)

    def test_another_seed(self) -> None:
        assert "request differs" in self.refused(saved(), seed=4)

    def test_another_number_of_steps(self) -> None:
        assert "request differs" in self.refused(saved(), steps=STEPS + 1)

    def test_other_weights(self) -> None:
        other = tiny()
        other.unet.out.bias.data[3] += 1
        assert "weights differs" in self.refused(saved(), other)

    def test_another_dtype(self) -> None:
        assert "differs" in self.refused(saved(), tiny(dtype=torch.float64))

    def test_another_scheduler(self) -> None:
        other = tiny()
        other.scheduler = type(other.scheduler).from_config(other.scheduler.config, use_karras_sigmas=True)
        assert "schedulers differs" in self.refused(saved(), other)

    def test_another_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = saved()
        monkeypatch.setitem(VERSIONS, "diffusers", "99.0")
        assert "diffusers differs" in self.refused(content)

    def test_a_run_that_takes_another_way(self) -> None:
        """Found on the way: the request begins again with its generator as it was."""

        class Capricious(TinyPipeline):
            detours = 0

            def __call__(self, **arguments: Any) -> torch.Tensor:  # type: ignore[override]
                for _ in range(self.detours):
                    self.unet(torch.zeros(3, 8), torch.tensor(1.0))
                return super().__call__(**arguments)

        def pipeline() -> Capricious:
            return Capricious(Denoiser(), tiny().scheduler)

        content = Omni(pipeline=pipeline()).checkpoint(call(), after_steps=2)
        Capricious.detours = 1
        assert "another way" in self.refused(content, pipeline())

    def test_a_cache_between_calls(self) -> None:
        pipeline = tiny()
        content = saved()
        vars(pipeline.unet)["is_cache_enabled"] = True
        assert "caches between" in self.refused(content, pipeline)
        with pytest.raises(ExecutionFailed, match="caches between"):
            saved(pipeline)


def test_a_custom_class_that_is_given_the_request() -> None:
    runner = DiffusionModelRunner(ModuleContract(od_config=OmniDiffusionConfig()), lambda _request: {})
    request = OmniDiffusionRequest(prompt="a fox", resumable=True)

    def finished(advance: Any) -> torch.Tensor:
        while hasattr(advance, "call"):
            (advance,) = runner.execute([advance.call.call_id]).advances
        return advance.output.output

    advance: Any = runner.add(request)
    for _ in range(2):
        (advance,) = runner.execute([advance.call.call_id]).advances
    content = runner.checkpoint(request.request_id).to_bytes()
    expected = finished(advance)
    resumed: Any = runner.add(replace(request, checkpoint=content))
    assert resumed.resumed.refused is None
    assert torch.equal(finished(resumed), expected)


def test_a_pipeline_that_steps_natively() -> None:
    from benchmarks.zoo import EQUAL_PROMPTS, case, flatten_output

    chosen = case("qwen-image")
    omni = Omni(pipeline=QwenImageStepPipeline(**chosen.build().components))

    def arguments() -> dict[str, Any]:
        return chosen.inputs(seed=3, prompt=EQUAL_PROMPTS[0], steps=4)

    (expected,) = omni.map([arguments()])
    found = omni.resume(arguments(), omni.checkpoint(arguments(), after_steps=2))
    assert (found.step, found.refused) == (2, None)
    for mine, theirs in zip(flatten_output(found.output), flatten_output(expected), strict=True):
        assert mine.tobytes() == theirs.tobytes()


def test_the_file_is_safetensors_and_holds_no_prompt() -> None:
    content = saved()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"]["format"] == "omni-jobs checkpoint 1"
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"U8"}


def test_dead_variables_are_not_saved() -> None:
    """After `held` only `a` and `c` are read."""

    def function(a: int, b: int) -> int:
        c = held(a, b)
        b = c + a
        return b * b

    def held(*_numbers: int) -> int:
        return 1

    code = function.__code__
    liveness = liveness_of(code)
    assert liveness is not None
    call_offset = next(offset for offset in liveness.offsets if "b" in liveness.dead_after(offset))
    assert liveness.dead_after(call_offset) == {"b", "c"}
    assert held_around(code, 0) == ()
