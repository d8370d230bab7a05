"""How the engine reaches devices: in process, one process per device, or somebody else's engine."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omni_jobs.errors import Misconfigured
from workers.engine.calls import Advance, Checkpoint, StepResult
from workers.engine.config import OmniDiffusionConfig
from workers.engine.request import OmniDiffusionRequest

#: Executor backends by the name that `distributed_executor_backend` takes.
BACKENDS = {
    "uni": "workers.executors.uni.UniProcDiffusionExecutor",
    "mp": "workers.executors.multiproc.MultiProcDiffusionExecutor",
    "external_launcher": "workers.executors.external.ExternalLauncherExecutor",
    "ray": "workers.executors.ray_group.RayDiffusionExecutor",
    "vllm-omni": "workers.executors.vllm_omni.VllmOmniExecutor",
    "simulated": "workers.executors.simulated.SimulatedExecutor",
}


class DeviceOutOfMemory(Exception):
    """The batch did not fit and none of its requests advanced; the same calls may be tried in smaller company."""


class DeviceLost(Exception):
    """The device can be used no more in this process, which must end: a fresh one may bring it back."""


class NotSaved(Exception):
    """A request could not be saved at its present call; it is well all the same. The message says why."""


def resolve_obj_by_qualname(qualname: str) -> Any:
    """The object that a dotted name means; imported now. Only operators' configuration may name objects."""
    module, _, name = qualname.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Misconfigured(
            f"`{qualname}` cannot be imported: {error}.", field="qualname", value=qualname
        ) from error


class DiffusionExecutor(ABC):
    """Owns the devices of one engine. All methods are called from the engine's thread alone."""

    def __init__(self, od_config: OmniDiffusionConfig) -> None:
        self.od_config = od_config
        self._init_executor()

    @staticmethod
    def get_class(od_config: OmniDiffusionConfig) -> type[DiffusionExecutor]:
        """The class that `distributed_executor_backend` means: a backend's name, a class, or its qualified name.

        Raises:
            Misconfigured: the value is none of these.
        """
        backend = od_config.distributed_executor_backend or ("uni" if od_config.ranks == 1 else "mp")
        if isinstance(backend, str):
            if backend not in BACKENDS and "." not in backend:
                raise Misconfigured(
                    f"`distributed_executor_backend`: {backend!r} is not known.",
                    field="distributed_executor_backend",
                    value=backend,
                    remedy=f"Use one of {', '.join(BACKENDS)}, a class, or a class's qualified name.",
                )
            backend = resolve_obj_by_qualname(BACKENDS.get(backend, backend))
        if not (isinstance(backend, type) and issubclass(backend, DiffusionExecutor)):
            raise Misconfigured(
                f"`distributed_executor_backend`: {backend!r} is not a subclass of DiffusionExecutor.",
                field="distributed_executor_backend",
                value=backend,
            )
        return backend

    @property
    def identity(self) -> str:
        """What measured times depend on: model, device and versions. They are believed only where it is equal."""
        return f"{type(self).__qualname__} {self.od_config.model}"

    @abstractmethod
    def _init_executor(self) -> None:
        """Load or connect. Returns when work can be accepted."""

    @property
    def max_num_seqs(self) -> int:
        """How many requests may be in flight at once; further ones wait in the engine."""
        return self.od_config.max_num_seqs

    @abstractmethod
    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        """Start each request and run it to its first call (or its end). One advance per request, in order."""

    @abstractmethod
    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        """Run these calls, which have equal batch keys, in one forward, and each request to its next call.

        Raises:
            DeviceOutOfMemory: nothing advanced.
        """

    def checkpoint(self, request_id: str) -> Checkpoint:
        """Save a request at the call at which it is parked; it runs on.

        Raises:
            NotSaved: it cannot be, or not here.
        """
        raise NotSaved(f"{type(self).__name__} cannot save a request")

    @abstractmethod
    def drop_requests(self, request_ids: Sequence[str]) -> None:
        """Forget these requests and free what they hold. Unknown ids are ignored."""

    @abstractmethod
    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        """Call a worker's method on every rank (a list of results), or return one rank's result alone."""

    def register_failure_callback(self, callback: Callable[[], None]) -> None:  # noqa: B027
        """Have this called, from any thread, when the devices are lost while nobody asks.

        An executor without processes of its own has no such moment.
        """

    def abandon(self) -> None:  # noqa: B027
        """End processes of its own and wait for them, from any thread: this process is about to end.

        An executor without any has nothing to do.
        """

    @abstractmethod
    def check_health(self) -> None:
        """Raise EngineUnavailable if the devices can serve no more."""

    @abstractmethod
    def shutdown(self) -> None:
        """Release everything. Calling it twice is harmless."""
