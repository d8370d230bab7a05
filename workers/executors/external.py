"""The executor for ranks that somebody else started (torchrun, a cluster's launcher): connects, never ends them.

Each rank runs `workers.executors.external_rank` and listens on a Unix socket in a folder that only its user may
enter. After a disconnect the ranks stay, with the model loaded, and the next executor takes over where it can.
"""

from __future__ import annotations

import socket
from pathlib import Path

from omni_jobs.errors import EngineUnavailable, Misconfigured
from workers.executors.multiproc import MultiProcDiffusionExecutor
from workers.executors.ranks import BackgroundResources
from workers.executors.socket_rank import SocketRank


class ExternalLauncherExecutor(MultiProcDiffusionExecutor):
    """See the module's docstring. `executor_options` names the `ranks_folder`; `num_gpus` is how many ranks."""

    def _connect(self) -> tuple[BackgroundResources, str]:
        if self._options.ranks_folder is None:
            raise Misconfigured(
                "`options.ranks_folder` is missing.",
                field="options.ranks_folder",
                remedy="Name the folder in which the ranks listen.",
            )
        folder = Path(self._options.ranks_folder).absolute()
        ranks: list[SocketRank] = []
        try:
            for number in range(self.od_config.ranks):
                connection = connection_to(socket_of(folder, number))
                ranks.append(SocketRank(number, connection))
        except EngineUnavailable:
            for rank in ranks:
                rank.close()
            raise
        return BackgroundResources(ranks), "env://"


def socket_of(folder: Path, rank: int) -> Path:
    """Where a rank listens."""
    return folder / f"rank-{rank}.sock"


def connection_to(path: Path) -> socket.socket:
    """A connection to the rank that listens there.

    Raises:
        EngineUnavailable: nobody does.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise EngineUnavailable(
            f"No rank listens on {path}: {error.strerror}.",
            remedy="Start the ranks: torchrun ... -m workers.executors.external_rank --folder ...",
        ) from error
    return connection
