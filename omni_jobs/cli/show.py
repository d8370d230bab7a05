"""How jobs look in a terminal, and how a person waits for them. Programs get JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from omni_jobs.bulk.paths import EXTENSIONS
from omni_jobs.client import Client
from omni_jobs.schemas import Artifact, Job, Status
from omni_jobs.schemas import Progress as Step

COLOURS = {
    Status.QUEUED: "yellow",
    Status.RUNNING: "cyan",
    Status.SUCCEEDED: "green",
    Status.FAILED: "red",
    Status.CANCELED: "magenta",
    Status.EXPIRED: "magenta",
}
#: Jobs followed at the same time.
MAX_WATCHED = 32


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def table_of(*columns: str, **options: Any) -> Table:
    """An empty table as all commands print it; options go to each column."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, **options)
    return table


def print_table(jobs: Iterable[Job]) -> None:
    """One line per job."""
    table = table_of("JOB", "STATUS", "MODEL", "CREATED", no_wrap=True, overflow="ellipsis")
    table.add_column("PROMPT", overflow="ellipsis")
    for job in jobs:
        created = job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        status = f"[{COLOURS[job.status]}]{job.status}[/]"
        table.add_row(job.id, status, job.request.model, created, job.request.prompt[:60])
    Console().print(table)


def print_job(job: Job) -> None:
    """Everything a person wants to know of one job."""
    console = Console(soft_wrap=True)
    console.print(f"{job.id}  [{COLOURS[job.status]}]{job.status}[/]  {job.status.sentence}", highlight=False)
    rows: list[tuple[str, Any]] = [
        ("prompt", job.request.prompt),
        ("model", job.request.model),
        ("seed", job.seed),
        ("attempt", f"{job.attempt} on {job.worker}" if job.worker else None),
        ("waits", job.waiting.reason if job.waiting else None),
        ("progress", step_text(job.progress) if job.progress else None),
        ("shared", sharing_text(job)),
        ("error", f"{job.error.code}: {job.error.message}" if job.error else None),
        ("remedy", job.error.remedy if job.error else None),
        *(("output", f"{one.key}  {one.size_bytes} bytes  seed {one.seed}") for one in job.artifacts),
    ]
    for name, value in rows:
        if value is not None:
            console.print(f"  {name:9} {value}", markup=False, highlight=False)


def sharing_text(job: Job) -> str | None:
    """How the job's denoise calls were served, in words."""
    sharing = job.sharing
    if sharing is None or not sharing.calls:
        return None
    saved = f", {sharing.calls_saved} more were answered from its step cache" if sharing.calls_saved else ""
    return (
        f"{sharing.calls} denoise calls cost {sharing.forwards:.2f} forwards "
        f"(up to {sharing.max_batch} jobs in one), {sharing.device_seconds:.3f} s of device{saved}"
    )


def step_text(progress: Step) -> str:
    """Progress in words: phase, steps, ETA."""
    steps = f" step {progress.step}/{progress.steps}" if progress.steps else ""
    eta = f", {progress.eta_seconds:.0f} s left" if progress.eta_seconds else ""
    return f"{progress.phase}{steps}{eta}"


def wait_for(client: Client, jobs: Sequence[Job], timeout_seconds: float | None, *, quiet: bool) -> list[Job]:
    """Wait for all of them, with a bar each where a person looks on. Ctrl-C leaves the jobs running."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[name]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[words]}"),
    )
    with (
        Progress(*columns, console=Console(stderr=True), disable=quiet) as bars,
        ThreadPoolExecutor(min(len(jobs), MAX_WATCHED)) as watchers,
    ):
        tasks = [bars.add_task("", total=100, name=job.request.prompt[:30], words="queued") for job in jobs]

        def wait_for_one(job: Job, task: TaskID) -> Job:
            def advance(step: Step) -> None:
                bars.update(task, completed=step.percent, words=step_text(step))

            ended = client.wait(job, timeout_seconds=timeout_seconds, check=False, on_progress=advance)
            done = 100 if ended.status is Status.SUCCEEDED else bars.tasks[task].completed
            bars.update(task, completed=done, words=str(ended.status))
            return ended

        return list(watchers.map(wait_for_one, jobs, tasks))


def save(client: Client, jobs: Iterable[Job], folder: Path) -> list[Path]:
    """Download every output into `folder`, named by job and index."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for job in jobs:
        for artifact in job.artifacts:
            path = folder / file_name(job, artifact)
            path.write_bytes(client.download(artifact))
            saved.append(path)
    return saved


def file_name(job: Job, artifact: Artifact) -> str:
    """Job, index and extension."""
    extension = EXTENSIONS.get(artifact.content_type, "bin")
    return f"{job.id}-{artifact.index}.{extension}"
