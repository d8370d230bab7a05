"""A rank's half of the conversation: it answers each call with its worker, in order. Needs no torch.

Only the rank whose result is wanted sends it whole; of requests that advanced the others tell where they stand,
so that the executor can see whether all ranks went the same way.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from omni_jobs.errors import ExecutionFailed
from workers.engine.calls import Advance, Failed, Finished, Parked, StepResult
from workers.executors.wire import Call, Reply


class Answers(Protocol):
    """What answers calls: a WorkerWrapperBase."""

    def execute_method(self, method: str, *args: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands on a rank: at a call, at its end, or failed with `error`."""

    request_id: str
    where: tuple[Any, ...]
    error: BaseException | None = None


def standing(advance: Advance) -> Standing:
    """An advance without what it carries."""
    match advance:
        case Parked(call):
            return Standing(call.request_id, ("parked", call.call_id, call.lane))
        case Finished(request_id):
            return Standing(request_id, ("finished",))
        case Failed(request_id, error):
            return Standing(request_id, ("failed",), portable(error))


def answer(worker: Answers, call: Call, rank: int) -> Reply:
    """Run the call and make the rank's reply; what it raises is the reply."""
    try:
        value = worker.execute_method(call.method, *call.args, **call.kwargs)
    except Exception as error:  # noqa: BLE001 - told to the executor, which knows who asked
        return Reply(rank, call.number, error=portable(error))
    return Reply(rank, call.number, _portable_result(value) if call.full in (None, rank) else _outline(value))


def settle(
    advances: Sequence[Advance], others: Mapping[int, Sequence[Standing]]
) -> tuple[list[Advance], list[str]]:
    """Rank 0's advances where all ranks went the same way; elsewhere the request has failed.

    Also the ids of the requests that went different ways: some ranks still hold them.
    """
    settled: list[Advance] = []
    astray: list[str] = []
    for index, advance in enumerate(advances):
        everywhere = {0: standing(advance)} | {rank: told[index] for rank, told in others.items()}
        if len({(one.request_id, one.where) for one in everywhere.values()}) == 1:
            settled.append(advance)
            continue
        request_id = everywhere[0].request_id
        astray.append(request_id)
        settled.append(Failed(request_id, _disagreement(everywhere)))
    return settled, astray


def _disagreement(everywhere: Mapping[int, Standing]) -> BaseException:
    """The error of the first rank that raised; else that they parted."""
    for rank, one in sorted(everywhere.items()):
        if one.error is not None:
            one.error.add_note(f"raised on rank {rank} of {len(everywhere)} alone")
            return one.error
    told = ", ".join(f"rank {rank} at {one.where}" for rank, one in sorted(everywhere.items()))
    return ExecutionFailed(f"The ranks went different ways: {told}.")


def portable(error: BaseException) -> Exception:
    """The error if it survives the wire, else its words."""
    try:
        copied = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - errors of foreign classes raise anything when rebuilt
        copied = None
    if isinstance(copied, Exception):
        return copied
    return ExecutionFailed(f"{type(error).__name__}: {error}")


def _outline(value: Any) -> Any:
    advances = value.advances if isinstance(value, StepResult) else value
    if isinstance(advances, list | tuple) and all(isinstance(item, Advance) for item in advances):
        return tuple(standing(advance) for advance in advances)
    return None


def _portable_result(value: Any) -> Any:
    match value:
        case StepResult(advances):
            return replace(value, advances=tuple(_portable_result(advance) for advance in advances))
        case list():
            return [_portable_result(item) for item in value]
        case Failed(request_id, error):
            return Failed(request_id, portable(error))
    return value
