"""A job as Replicate's prediction: in answers, streams and webhooks. Pure; the links are signed already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omni_jobs.faces.outcome import error_of, media_of, text_of
from omni_jobs.schemas import Job, Progress, Status

#: `aborted` would be right for an expired job; the Python client, which does not know it, would poll for ever.
STATUS = {
    Status.QUEUED: "starting",
    Status.RUNNING: "processing",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "canceled",
}
#: Where the client's own id of a prediction is kept in the job's `metadata`.
OWN_ID = "prediction_id"
#: Clients ask for a model as `owner/name`.
OWNER = "omni-jobs"
_BAR = 10


def prediction_of(job: Job, base: str, stream_url: str | None = None) -> dict[str, Any]:
    """The prediction. `base` is the address of the API, without a slash at its end."""
    shown_id = id_of(job)
    url = f"{base}/v1/predictions/{shown_id}"
    error = error_of(job)
    return {
        "id": shown_id,
        "model": job.request.model if "/" in job.request.model else f"{OWNER}/{job.request.model}",
        "version": "hidden",
        "status": STATUS[job.status],
        "input": _input_of(job),
        "output": outputs_of(job) or None,
        "error": text_of(error) if error and job.status is not Status.CANCELED else None,
        "logs": logs_of(job),
        "metrics": _metrics_of(job),
        "created_at": _moment(job.created_at),
        "started_at": _moment(job.started_at),
        "completed_at": _moment(job.finished_at),
        "deadline": _moment(job.request.deadline),
        "data_removed": False,
        "source": "api",
        "urls": {"get": url, "cancel": f"{url}/cancel"} | ({"stream": stream_url} if stream_url else {}),
    } | ({"webhook": str(job.request.webhook.url)} if job.request.webhook else {})


def blocking(prediction: dict[str, Any]) -> dict[str, Any]:
    """The answer to whoever waited in vain.

    The clients take any other status than `starting` for the end and give their caller nothing.
    """
    return prediction | ({"status": "starting"} if prediction["status"] == "processing" else {})


def id_of(job: Job) -> str:
    """The client's own id, else ours."""
    return job.request.metadata.get(OWN_ID, job.id)


def outputs_of(job: Job) -> list[str]:
    """Links to what was asked for."""
    return [one.url for one in media_of(job) if one.url]


def logs_of(job: Job) -> str:
    """Lines as a pipeline's own progress bar prints them: clients read the last one."""
    lines = [f"Using seed: {job.seed}"] if job.started_at else []
    if job.progress is not None and job.progress.steps:
        lines.append(bar_of(job.progress))
    elif job.status is Status.SUCCEEDED:
        steps = job.request.parameters.get("num_inference_steps", 1)
        lines.append(bar_line(100, steps, steps))
    return "".join(f"{line}\n" for line in lines)


def bar_of(progress: Progress) -> str:
    """The bar of a running job."""
    return bar_line(int(progress.percent), progress.step, progress.steps)


def bar_line(percent: int, step: int, steps: int) -> str:
    """One line of a progress bar; at least one sign stands between the bars, as clients expect."""
    filled = max(0, min(_BAR, percent * _BAR // 100))
    return f"{percent:3d}%|{'#' * filled}{' ' * (_BAR - filled)}| {step}/{steps}"


def _input_of(job: Job) -> dict[str, Any]:
    """What was asked for, in the client's words as far as they have their own."""
    request = job.request
    given = {"prompt": request.prompt, "seed": job.seed, "num_outputs": request.num_outputs, **request.parameters}
    named = {"negative_prompt": request.negative_prompt, "output_format": request.output.format}
    pictures = {"images": list(request.images)} if request.images else {}
    return given | {name: value for name, value in named.items() if value is not None} | pictures


def _metrics_of(job: Job) -> dict[str, float]:
    if job.finished_at is None:
        return {}
    began = job.started_at or job.finished_at
    metrics = {
        "predict_time": (job.finished_at - began).total_seconds(),
        "total_time": (job.finished_at - job.created_at).total_seconds(),
    }
    return metrics | ({"device_seconds": job.sharing.device_seconds} if job.sharing else {})


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
