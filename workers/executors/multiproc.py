"""The executor for a model on several devices: one spawned process per device, all running the same requests.

The default above one device. Calls go to every rank in the same order; rank 0's results count, and a request
counts as advanced only if every rank took it the same way.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omni_jobs.errors import EngineUnavailable, Misconfigured
from workers.engine.calls import Advance, StepResult
from workers.engine.config import OmniDiffusionConfig
from workers.engine.executor import DeviceOutOfMemory, DiffusionExecutor
from workers.engine.request import OmniDiffusionRequest
from workers.executors.answering import settle
from workers.executors.group_options import GroupOptions
from workers.executors.ranks import BackgroundResources, RankGroup
from workers.executors.socket_rank import SocketRank
from workers.executors.wire import Reply
from workers.executors.worker_proc import Place
from workers.stepping.cache_config import is_hooked


class MultiProcDiffusionExecutor(DiffusionExecutor):
    """See the module's docstring. On a CPU ranks are processes all the same."""

    #: What a rank's process runs.
    rank_module = "workers.executors.rank_process"

    def _init_executor(self) -> None:
        self._options = GroupOptions.read(self.od_config.executor_options)
        config = portable_config(self.od_config)
        resources, rendezvous = self._connect()
        self._release = weakref.finalize(self, resources.close)
        self._group = RankGroup(resources, self._options.reply_seconds)
        try:
            self._start(config, rendezvous)
        except BaseException:
            self.shutdown()
            raise

    def _connect(self) -> tuple[BackgroundResources, str]:
        """The ranks, not yet loaded, and where they meet."""
        folder = TemporaryDirectory(prefix="omni-ranks-")
        ranks = [spawn(number, self.rank_module) for number in range(self.od_config.ranks)]
        return BackgroundResources(ranks, folder), (Path(folder.name) / "rendezvous").as_uri()

    def _local_rank(self, rank: int) -> int:
        """Which of the devices that it sees is this rank's."""
        return rank

    def _start(self, config: OmniDiffusionConfig, rendezvous: str) -> None:
        ranks, seed, limit = len(self._group), new_seed(), self._options.reply_seconds
        places = [
            Place(rank, ranks, self._local_rank(rank), rendezvous, seed, limit, config, tuple(sys.path))
            for rank in range(ranks)
        ]
        self._group.start(places, self._options.ready_seconds)

    @property
    def identity(self) -> str:
        return f"{len(self._group)} x {self.collective_rpc('identity', unique_reply_rank=0)}"

    @property
    def max_num_seqs(self) -> int:
        hooked = is_hooked(self.od_config.cache_backend, self.od_config.cache_config)
        return 1 if hooked else self.od_config.max_num_seqs

    def add_requests(self, requests: Sequence[OmniDiffusionRequest]) -> list[Advance]:
        first, *others = self._together("add_requests", list(requests))
        return self._settled(first.value, others)

    def execute_step(self, call_ids: Sequence[int]) -> StepResult:
        first, *others = self._together("execute_step", list(call_ids))
        result: StepResult = first.value
        return replace(result, advances=tuple(self._settled(result.advances, others)))

    def drop_requests(self, request_ids: Sequence[str]) -> None:
        if request_ids:
            with suppress(EngineUnavailable):  # a lost group holds nothing; the next call tells
                self._together("drop_requests", list(request_ids))

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        unique_reply_rank: int | None = None,
    ) -> Any:
        """The first error that a rank raised is raised here; a note names the rank.

        Raises:
            TimeoutError: names the ranks that did not answer in time; what they do is done all the same.
            EngineUnavailable: a rank is dead.
        """
        replies = self._group.ask(method, timeout, args, kwargs or {}, unique_reply_rank)
        for reply in replies:
            if reply.error is not None:
                reply.error.add_note(f"raised by `{method}` on rank {reply.rank} of {len(replies)}")
                raise reply.error
        return (
            [reply.value for reply in replies] if unique_reply_rank is None else replies[unique_reply_rank].value
        )

    def register_failure_callback(self, callback: Callable[[], None]) -> None:
        self._group.resources.when_failed(callback)

    def check_health(self) -> None:
        self._group.check_health()

    def abandon(self) -> None:
        self._release()

    def shutdown(self) -> None:
        self._release()

    def _together(self, method: str, *args: Any) -> list[Reply]:
        replies = self._group.together(method, args)
        errors = [reply for reply in replies if reply.error is not None]
        if not errors:
            return replies
        if all(isinstance(reply.error, DeviceOutOfMemory) for reply in replies):
            raise errors[0].error or DeviceOutOfMemory
        text = "; ".join(f"rank {reply.rank}: {type(reply.error).__name__}: {reply.error}" for reply in errors)
        self._group.resources.fail(f"`{method}` raised on {text}")
        raise EngineUnavailable(f"`{method}` raised on {text}") from errors[0].error

    def _settled(self, advances: Sequence[Advance], others: Sequence[Reply]) -> list[Advance]:
        """What all ranks made of it. Where they disagree the request is dropped, and chance begins anew."""
        settled, astray = settle(advances, {reply.rank: reply.value for reply in others})
        if astray:
            self._together("drop_requests", astray)
            # The request that went astray may have drawn from the global random state on some ranks only.
            self._together("seed_random", new_seed())
        return settled


def new_seed() -> int:
    """A seed for the global random state of all ranks."""
    return secrets.randbits(31)


def spawn(number: int, module: str) -> SocketRank:
    """A fresh process for a rank: not forked, since CUDA does not survive that, and not by `multiprocessing`,
    which would run the caller's main module again and keep semaphores in shared memory."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", module, str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return SocketRank(number, ours, process)


def portable_config(od_config: OmniDiffusionConfig) -> OmniDiffusionConfig:
    """The configuration as another process can read it: classes by their names.

    Raises:
        Misconfigured: it holds a loaded pipeline, or a class that another process cannot import.
    """
    if od_config.pipeline is not None:
        raise Misconfigured(
            "`pipeline`: a loaded pipeline cannot go to other processes.",
            field="pipeline",
            remedy="Give `model`, or use one device and the executor `uni`.",
        )
    extension = od_config.worker_extension_cls
    if isinstance(extension, type):
        if extension.__module__ == "__main__" or "<locals>" in extension.__qualname__:
            raise Misconfigured(
                f"`worker_extension_cls`: {extension.__qualname__} cannot be imported by another process.",
                field="worker_extension_cls",
                value=extension.__qualname__,
                remedy="Define it at the top of a module of its own.",
            )
        extension = f"{extension.__module__}.{extension.__qualname__}"
    return replace(od_config, distributed_executor_backend=None, worker_extension_cls=extension)
