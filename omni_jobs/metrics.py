"""The pool's state as Prometheus text: what workers publish, what the store counts, what this process answered.

`METRICS` is the list of names; `docs/metrics.md` is checked against it. The API renders them, so that one scrape
shows the whole pool and no worker needs a port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omni_jobs.schemas import WorkerInfo

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """A family: its type, and a sentence that says what is counted and in which unit."""

    kind: Literal["gauge", "counter", "histogram"]
    help: str


METRICS: dict[str, Metric] = {
    "omni_jobs_queued": Metric("gauge", "Jobs that are queued, held ones included."),
    "omni_jobs_held": Metric("gauge", "Queued jobs that wait for their `not_before`."),
    "omni_jobs_running": Metric("gauge", "Jobs that are leased to a worker."),
    "omni_jobs_kept": Metric("gauge", "Records of the account that are kept, by status."),
    "omni_model_ready_jobs": Metric("gauge", "Jobs of a model that could begin now."),
    "omni_model_oldest_wait_seconds": Metric("gauge", "How long the oldest of them has waited."),
    "omni_model_workers": Metric("gauge", "Live workers, by model and state."),
    "omni_worker_up": Metric("gauge", "1 for each live worker, with its version and device."),
    "omni_worker_slots": Metric("gauge", "Jobs a worker may have in flight."),
    "omni_worker_jobs": Metric("gauge", "Jobs a worker has in flight."),
    "omni_worker_uploads": Metric("gauge", "Rendered jobs that a worker has not stored yet."),
    "omni_worker_upload_bytes": Metric("gauge", "What they hold on its disk."),
    "omni_worker_upload_budget_bytes": Metric("gauge", "What they may hold before it claims nothing more."),
    "omni_worker_held_up": Metric("gauge", "1 while a worker claims nothing because storage takes nothing."),
    "omni_worker_start_time_seconds": Metric("gauge", "Unix time when the worker started."),
    "omni_engine_requests_total": Metric("counter", "Outputs that a worker's engine rendered."),
    "omni_engine_calls_total": Metric("counter", "Denoise calls of these outputs."),
    "omni_engine_calls_saved_total": Metric("counter", "Denoise calls that outputs' own step caches answered."),
    "omni_engine_forwards_total": Metric("counter", "Forwards that served these calls; the fewer, the fuller."),
    "omni_engine_max_batch": Metric("gauge", "Largest batch that a worker's engine ran."),
    "omni_checkpoints_total": Metric("counter", "Checkpoints that a worker has stored."),
    "omni_checkpoint_bytes_total": Metric("counter", "Their bytes."),
    "omni_checkpoint_seconds_total": Metric("counter", "Seconds that the device waited for requests to be saved."),
    "omni_checkpoints_dropped_total": Metric("counter", "Checkpoints that could not be stored."),
    "omni_checkpoints_resumed_total": Metric("counter", "Outputs that went on from a checkpoint."),
    "omni_checkpoints_refused_total": Metric("counter", "Outputs that began anew in spite of one, by reason."),
    "omni_engine_proofs_total": Metric("counter", "Ways of merging that a worker has put to the proof, by model."),
    "omni_engine_alone_calls_total": Metric("counter", "Denoise calls that ran alone, by model and reason."),
    "omni_engine_restarts_total": Metric("counter", "Times that a worker started its engine process again."),
    "omni_webhook_deliveries": Metric("gauge", "Webhooks that are due or wait for their next try."),
    "omni_webhook_dead": Metric("gauge", "Webhooks that were given up and can be replayed."),
    "omni_http_requests_total": Metric("counter", "Requests this API process answered."),
    "omni_http_request_seconds": Metric("histogram", "Time to the first byte of these answers."),
    "omni_http_streams": Metric("gauge", "Event streams that are open in this API process."),
}

#: A worker's figures by family: where they stand in its published details.
_DETAILS = {
    "omni_worker_uploads": "uploads",
    "omni_worker_upload_bytes": "upload_bytes",
    "omni_worker_upload_budget_bytes": "upload_budget_bytes",
    "omni_engine_requests_total": "requests",
    "omni_engine_calls_total": "calls",
    "omni_engine_calls_saved_total": "calls_saved",
    "omni_engine_forwards_total": "forwards",
    "omni_engine_max_batch": "max_batch",
    "omni_engine_restarts_total": "engine_restarts",
}


#: The same of its checkpoints.
_CHECKPOINTS = {
    "omni_checkpoints_total": "written",
    "omni_checkpoint_bytes_total": "bytes",
    "omni_checkpoint_seconds_total": "seconds",
    "omni_checkpoints_dropped_total": "dropped",
    "omni_checkpoints_resumed_total": "resumed",
}


@dataclass(frozen=True)
class Sample:
    """One line. `suffix` follows the family's name (`_bucket`, `_sum`, `_count`)."""

    family: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""


def sample(family: str, value: float, **labels: str) -> Sample:
    """A line of a family with labels."""
    return Sample(family, value, tuple(labels.items()))


def queue_samples(stats: Mapping[str, Any], kept: Mapping[str, int], account: str) -> Iterator[Sample]:
    """From the store's `stats()` and `counts()`."""
    for name in ("queued", "held", "running"):
        yield sample(f"omni_jobs_{name}", stats[name])
    for status, count in kept.items():
        yield sample("omni_jobs_kept", count, account=account, status=status)
    for model, depth in stats["models"].items():
        yield sample("omni_model_ready_jobs", depth["ready"], model=model)
        yield sample("omni_model_oldest_wait_seconds", depth["oldest_wait_seconds"], model=model)
    yield sample("omni_webhook_deliveries", stats["deliveries"])
    yield sample("omni_webhook_dead", stats["dead_deliveries"])


def worker_samples(workers: Sequence[WorkerInfo]) -> Iterator[Sample]:
    """From what the live workers published."""
    states: dict[tuple[str, str], int] = defaultdict(int)
    for worker in workers:
        name = worker.id
        yield sample("omni_worker_up", 1, worker=name, version=worker.version, device=worker.device)
        yield sample("omni_worker_slots", worker.slots, worker=name)
        yield sample("omni_worker_jobs", worker.in_flight, worker=name)
        yield sample("omni_worker_start_time_seconds", worker.started_at.timestamp(), worker=name)
        yield sample("omni_worker_held_up", worker.held_up is not None, worker=name)
        for family, detail in _DETAILS.items():
            value = worker.details.get(detail)
            if isinstance(value, int | float):
                yield sample(family, value, worker=name)
        yield from _checkpoint_samples(name, worker.details.get("checkpoints") or {})
        yield from _merging_samples(name, worker.details.get("merging") or {})
        for model, word in worker.models.items():
            states[model, "draining" if worker.state == "draining" else word] += 1
    for (model, state), count in sorted(states.items()):
        yield sample("omni_model_workers", count, model=model, state=state)


def _checkpoint_samples(worker: str, tally: Mapping[str, Any]) -> Iterator[Sample]:
    for family, name in _CHECKPOINTS.items():
        if name in tally:
            yield sample(family, tally[name], worker=worker)
    for reason, count in tally.get("refused", {}).items():
        yield sample("omni_checkpoints_refused_total", count, worker=worker, reason=reason)


def _merging_samples(worker: str, merging: Mapping[str, Any]) -> Iterator[Sample]:
    for model, report in merging.items():
        yield sample("omni_engine_proofs_total", report["proofs"], worker=worker, model=model)
        for reason, calls in report["alone"].items():
            yield sample("omni_engine_alone_calls_total", calls, worker=worker, model=model, reason=reason)


def render(samples: Iterable[Sample]) -> str:
    """The text exposition format 0.0.4: families in the order of `METRICS`, each once."""
    by_family: dict[str, list[Sample]] = defaultdict(list)
    for one in samples:
        by_family[one.family].append(one)
    lines: list[str] = []
    for family, metric in METRICS.items():
        if found := by_family.pop(family, []):
            lines += [f"# HELP {family} {metric.help}", f"# TYPE {family} {metric.kind}"]
            lines += [_line(one) for one in found]
    if by_family:
        raise KeyError(f"{sorted(by_family)} are not in METRICS")
    return "\n".join(lines) + "\n"


def _line(one: Sample) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in one.labels)
    value = repr(one.value) if isinstance(one.value, float) and one.value % 1 else f"{one.value:.0f}"
    return f"{one.family}{one.suffix}{{{labels}}} {value}" if labels else f"{one.family}{one.suffix} {value}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
