"""A rank that somebody else starts: `torchrun --nproc-per-node 2 -m workers.executors.external_rank --folder DIR`.

It meets the others once, as torchrun's environment says, and then serves one executor after another. It keeps the
model between them and ends only when its launcher ends it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog

from omni_jobs.errors import Misconfigured
from workers.engine.config import OmniDiffusionConfig
from workers.executors.answering import Answers
from workers.executors.external import socket_of
from workers.executors.group_options import GroupOptions
from workers.executors.wire import messages
from workers.executors.worker_proc import Place, WorkerProc

log = structlog.get_logger(__name__)


class KeptWorker:
    """The worker of this rank, made when an executor wants another model than the last one did."""

    def __init__(self, ranks: int, make: Callable[[Place], Answers]) -> None:
        self._ranks = ranks
        self._make = make
        self._worker: Answers | None = None
        self._od_config: OmniDiffusionConfig | None = None

    def take(self, place: Place) -> Answers:
        """The worker for the executor that gave this place; what the last one left unfinished is gone.

        Raises:
            Misconfigured: the executor wants another number of ranks than there are.
        """
        if place.ranks != self._ranks:
            raise Misconfigured(
                f"`num_gpus`: {place.ranks} ranks are wanted, and {self._ranks} were started.",
                field="num_gpus",
                value=place.ranks,
            )
        if self._worker is not None:
            self._worker.execute_method("drop_all")
            if place.od_config != self._od_config:
                self._worker.execute_method("unload_model")
                self._worker = None
        if self._worker is None:
            self._worker = self._make(place)
            self._od_config = place.od_config
        self._worker.execute_method("seed_random", place.seed)
        return self._worker


def serve_one(connection: socket.socket, kept: KeptWorker) -> None:
    """Serve an executor until it disconnects."""
    calls = messages(connection)
    place = next(calls, None)
    if place is None:
        return
    log.info("executor connected", rank=place.rank, model=place.od_config.model)
    # Classes of the operator's are found where the executor finds them.
    sys.path += [entry for entry in place.search_path if entry not in sys.path]
    try:
        WorkerProc(place, connection, kept.take).serve(calls)
    except OSError as error:
        log.warning("executor vanished", rank=place.rank, error=str(error))
    log.info("executor disconnected", rank=place.rank)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket at this path, for our own user alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen(1)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def serve_for_ever(folder: Path, rank: int, kept: KeptWorker) -> None:
    """One executor after another; those that come meanwhile wait."""
    with listening(socket_of(folder.absolute(), rank)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                serve_one(connection, kept)


@click.command(help="One rank of a model, for `external_launcher`. Started by torchrun or the like.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to listen.")
@click.option("--reply-seconds", type=float, default=GroupOptions.reply_seconds, help="Longest wait of a rank.")
def main(folder: Path, reply_seconds: float) -> None:
    from workers.executors.joining import join
    from workers.worker_wrapper import WorkerWrapperBase

    rank, ranks, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    lockstep = join(rank, ranks, local_rank, "env://", reply_seconds)

    def make(place: Place) -> Answers:
        return WorkerWrapperBase(local_rank, place.od_config, rank=rank, lockstep=lockstep)

    serve_for_ever(folder, rank, KeptWorker(ranks, make))


if __name__ == "__main__":
    main()
