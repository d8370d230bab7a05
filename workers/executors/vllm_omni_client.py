"""vLLM-Omni's `AsyncOmni` behind plain futures: one event loop in a thread. Written for its 0.30 interface.

Imported by the executor alone; vLLM-Omni itself is imported only when a client is made, and its version is looked
at before that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import fields
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

from omni_jobs.errors import EngineUnavailable, InvalidRequest, Misconfigured
from workers.engine.config import OmniDiffusionConfig
from workers.engine.request import DiffusionOutput, OmniDiffusionRequest

#: The interface this is written for; vLLM-Omni wants vLLM of the same number.
INTERFACE = "0.30"
#: Seconds that requests in flight may give no sign.
SILENCE_SECONDS = 1800.0
#: Seconds for requests to abort when the engine closes.
ABORT_SECONDS = 10.0


class VllmOmniClient:
    """One `AsyncOmni` and the thread of its event loop.

    Raises:
        Misconfigured: vLLM-Omni is not installed, or is not the version that this is written for.
        EngineUnavailable: it does not start.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.versions = check_versions()
        self._sampling: Any = import_module("vllm_omni.inputs.data").OmniDiffusionSamplingParams
        kind: Any = import_module("vllm_omni.entrypoints.async_omni").AsyncOmni
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm-omni", daemon=True)
        self._thread.start()
        try:
            self._omni = kind(**options)
        except Exception as error:
            self._stop()
            raise EngineUnavailable(
                f"vLLM-Omni does not start: {type(error).__name__}: {error}",
                remedy="Its log says more. It runs on CUDA, ROCm, NPU, XPU or MUSA; it has no platform for a CPU.",
            ) from error

    def submit(self, request: OmniDiffusionRequest) -> Future[Any]:
        """Hand a request over; the future holds vLLM-Omni's last output, and cancelling it calls the request off.

        Raises:
            InvalidRequest: it asks for something that does not go through vLLM-Omni.
        """
        _refuse(request)
        (prompt,) = request.prompts
        prompt = {name: value for name, value in prompt.items() if value}
        return asyncio.run_coroutine_threadsafe(
            self._last(request.request_id, prompt, self._params(request)), self._loop
        )

    def collective_rpc(
        self, method: str, timeout: float | None, args: Sequence[Any], kwargs: Mapping[str, Any] | None
    ) -> Any:
        """vLLM-Omni's own `collective_rpc`."""
        call = self._omni.collective_rpc(
            method=method, timeout=timeout, args=tuple(args), kwargs=dict(kwargs or {})
        )
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(timeout)

    def check_health(self) -> None:
        """Raise EngineUnavailable if vLLM-Omni says that it is not well."""
        try:
            asyncio.run_coroutine_threadsafe(self._omni.check_health(), self._loop).result(10)
        except Exception as error:
            raise EngineUnavailable(f"vLLM-Omni is not well: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the engine and the thread. Calling it twice is harmless."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._omni.shutdown()
        self._stop()

    def _params(self, request: OmniDiffusionRequest) -> Any:
        """Sampling parameters: what vLLM-Omni knows by name, and the rest in its `extra_args`."""
        asked = {**request.sampling_params.to_arguments(), "seed": request.sampling_params.seed}
        known = {item.name for item in fields(self._sampling)}
        own = {name: value for name, value in asked.items() if name in known and value is not None}
        rest = {name: value for name, value in asked.items() if name not in known}
        return self._sampling(**own, extra_args=rest)

    async def _last(self, request_id: str, prompt: dict[str, Any], params: Any) -> Any:
        last = None
        async for output in self._omni.generate(prompt, request_id=request_id, sampling_params_list=[params]):
            last = output
        return last

    async def _end(self) -> None:
        """Let requests that were called off abort; one that will not is left behind."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=ABORT_SECONDS)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def client_options(od_config: OmniDiffusionConfig) -> tuple[dict[str, Any], float]:
    """vLLM-Omni's engine arguments, and the seconds of silence that are borne."""
    options = dict(od_config.executor_options)
    silence_seconds = float(options.pop("silence_seconds", SILENCE_SECONDS))
    if isinstance(od_config.dtype, str):
        options.setdefault("dtype", od_config.dtype)
    return {"model": od_config.model, **options}, silence_seconds


def check_versions() -> str:
    """The versions of vLLM-Omni and vLLM, if they fit.

    Raises:
        Misconfigured: they do not, or one is missing.
    """
    wanted = f"'vllm-omni=={INTERFACE}.*' 'vllm=={INTERFACE}.*' 'omni-jobs[worker]'"
    remedy = f"In an environment of its own: pip install {wanted}."
    try:
        found = {"vllm-omni": version("vllm-omni"), "vllm": str(import_module("vllm").__version__)}
    except (PackageNotFoundError, ImportError) as error:
        raise Misconfigured(
            f"`executor`: vllm-omni cannot be used: {error}.", field="executor", value="vllm-omni", remedy=remedy
        ) from error
    for package, number in found.items():
        if number.split(".")[:2] != INTERFACE.split("."):
            raise Misconfigured(
                f"`executor`: vllm-omni needs {package} {INTERFACE}, and {number} is installed.",
                field="executor",
                value="vllm-omni",
                remedy=remedy,
            )
    return " ".join(f"{package} {number}" for package, number in found.items())


def output_of(output: Any) -> DiffusionOutput:
    """Pictures, clips and sound of a `OmniRequestOutput`.

    Raises:
        RuntimeError: it carries an error, or nothing.
    """
    if output is None or output.error:
        raise RuntimeError(getattr(output, "error", None) or "no output")
    name, found = "images", output.images
    if output.final_output_type == "video":
        name = "frames"
    elif output.final_output_type == "audio":
        name, found = "audio", (output.multimodal_output or {}).get("audio")
    if found is None or len(found) == 0:
        raise RuntimeError("the output holds neither pictures nor frames nor sound")
    return DiffusionOutput(SimpleNamespace(**{name: found}))


def _refuse(request: OmniDiffusionRequest) -> None:
    wants = {
        "loras": bool(request.sampling_params.loras),
        "deterministic": request.deterministic,
        "arguments": request.arguments is not None,
    }
    for name, wanted in wants.items():
        if wanted:
            raise InvalidRequest(
                f"`{name}`: not for a model that vLLM-Omni draws.", field=name, remedy="Leave it out."
            )
