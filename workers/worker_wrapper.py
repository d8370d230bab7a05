"""The worker of a rank with an operator's own methods added: a class made here, so that no worker need change.

Executors make a `WorkerWrapperBase` per rank. Names and behaviour are those that users of vLLM-Omni know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from omni_jobs.errors import Misconfigured
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import resolve_obj_by_qualname
from workers.loader import custom_class
from workers.stepping.lockstep import ALONE, Lockstep
from workers.worker import DiffusionWorker


class CustomPipelineWorkerExtension:
    """Lets a worker change its pipeline for a custom one. Applied by itself where one is named, or none loaded."""

    def re_init_pipeline(self: Any, custom_pipeline_args: Mapping[str, Any]) -> None:
        """Free the pipeline and load the class that `custom_pipeline_args` names.

        Raises:
            Misconfigured: the class cannot be used; the old pipeline stays if that shows before loading.
            ExecutionFailed: requests are in flight.
        """
        wanted = replace(
            self.od_config,
            pipeline=None,
            load_format="custom_pipeline",
            custom_pipeline_args=dict(custom_pipeline_args),
        )
        custom_class(wanted)
        self.unload_model()
        self.load_model(wanted)


class WorkerWrapperBase:
    """A worker whose class has the operator's extensions among its bases.

    `worker_extension_cls` is a class or its qualified name; its methods see the worker as `self`. What the wrapper
    does not have itself is looked up in the worker.
    """

    def __init__(
        self,
        gpu_id: int,
        od_config: OmniDiffusionConfig,
        worker_extension_cls: type | str | None = None,
        custom_pipeline_args: Mapping[str, Any] | None = None,
        *,
        rank: int | None = None,
        lockstep: Lockstep = ALONE,
    ) -> None:
        """The last two options, where given, win over those of `od_config`. `rank` is `gpu_id` unless said.

        Raises:
            Misconfigured: an extension is no class, or has a name that the worker has; the model does not load.
        """
        extension = worker_extension_cls or od_config.worker_extension_cls
        if custom_pipeline_args is not None:
            od_config = replace(od_config, custom_pipeline_args=custom_pipeline_args)
        worker_class = self._prepare_worker_class(extension, od_config)
        self.worker: Any = worker_class(
            od_config=od_config, local_rank=gpu_id, rank=gpu_id if rank is None else rank, lockstep=lockstep
        )

    def execute_method(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the worker, of its extension or, failing both, of its model runner.

        Raises:
            AttributeError: none of them has it.
        """
        owner = self.worker if hasattr(self.worker, method) else self.worker.model_runner
        return getattr(owner, method)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "worker":  # not there yet: the worker's own making failed
            raise AttributeError(name)
        return getattr(self.worker, name)

    @staticmethod
    def _prepare_worker_class(extension: type | str | None, od_config: OmniDiffusionConfig) -> type:
        """DiffusionWorker with the extensions that this configuration asks for."""
        extensions = [] if extension is None else [_extension_class(extension)]
        is_custom = od_config.custom_pipeline_args is not None or od_config.load_format == "dummy"
        if is_custom and not any(issubclass(given, CustomPipelineWorkerExtension) for given in extensions):
            extensions.append(CustomPipelineWorkerExtension)
        worker: type = DiffusionWorker
        for added in extensions:
            _refuse_clashes(worker, added)
            worker = type(f"{added.__name__}{worker.__name__}", (worker, added), {})
        return worker


def _extension_class(extension: type | str) -> type:
    found = resolve_obj_by_qualname(extension) if isinstance(extension, str) else extension
    if not isinstance(found, type):
        raise Misconfigured(
            f"`worker_extension_cls`: {extension!r} is no class.", field="worker_extension_cls", value=extension
        )
    return found


def _refuse_clashes(worker: type, extension: type) -> None:
    """A name in both would hide one of them, silently."""
    taken = {name for kind in worker.__mro__ for name in vars(kind).get("__annotations__", {})} | set(dir(worker))
    for kind in extension.__mro__[:-1]:
        for name in vars(kind):
            if name in taken and (name == "__init__" or not name.startswith("__")):
                raise Misconfigured(
                    f"`worker_extension_cls`: {extension.__name__}.{name} clashes with the worker's own.",
                    field="worker_extension_cls",
                    value=extension.__name__,
                    remedy=f"Rename `{name}`.",
                )
