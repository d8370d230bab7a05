"""This process's connection to a Ray cluster, shared by its executors; the last one to leave ends it.

`ray_share` asks for it. A connection that was there before belongs to somebody else and stays.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from tempfile import TemporaryDirectory
from typing import Any

import ray

from omni_jobs.errors import EngineUnavailable, Misconfigured

#: Ray's store for messages above 100 kB, when the cluster is ours. What does not fit goes to its folder.
STORE_BYTES = 256 * 2**20

#: Ranks on the CPU that such a cluster admits, of all models together; a CPU has no devices to be counted.
CPU_RANKS = 256

_lock = threading.Lock()
_users = 0
_address: str | None = None
_end: Callable[[], None] | None = None


def enter(address: str | None) -> None:
    """Connect to the cluster at `address`, or start one on this machine.

    Raises:
        EngineUnavailable: there is none, or it does not start.
        Misconfigured: this process is connected to another one.
    """
    global _users, _address, _end
    with _lock:
        if _users and address != _address:
            raise Misconfigured(
                f"`options.ray_address`: {address!r}, and another model of this process uses {_address!r}.",
                field="options.ray_address",
                value=address,
                remedy="Serve models of different Ray clusters from different workers.",
            )
        if _users == 0 and not ray.is_initialized():
            _end = _connected(address)
        _users, _address = _users + 1, address


def leave() -> None:
    """The counterpart of `enter`. A cluster that we started ends with the last."""
    global _users, _end
    with _lock:
        _users -= 1
        if _users == 0 and _end is not None:
            _end()
            _end = None


def _connected(address: str | None) -> Callable[[], None]:
    """Connect; what ends the connection. A thread of its own does both: the system ends what Ray started when the
    thread that started it ends, and Ray would take SIGTERM for itself in the main thread."""
    made: Future[None] = Future()
    ends = threading.Event()

    def hold() -> None:
        with TemporaryDirectory(prefix="omni-ray-", ignore_cleanup_errors=True) as folder:
            try:
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                where = _local(folder) if address is None else {"address": address}
                ray.init(logging_level=logging.ERROR, **where)
            except BaseException as error:  # noqa: BLE001 - raised by the thread that asked
                made.set_exception(error)
                return
            made.set_result(None)
            ends.wait()
            ray.shutdown()

    thread = threading.Thread(target=hold, name="ray", daemon=True)
    thread.start()
    try:
        made.result()
    except Exception as error:
        raise EngineUnavailable(
            f"Ray at {address or 'this machine'} cannot be used: {error}",
            remedy="Start a cluster (ray start), or leave `options.ray_address` out.",
        ) from error

    def end() -> None:
        ends.set()
        thread.join()

    return end


def _local(folder: str) -> dict[str, Any]:
    """A cluster of this machine alone, without a dashboard, whose files go with it."""
    return {
        "address": "local",
        "num_cpus": CPU_RANKS,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_temp_dir": folder,
    }
