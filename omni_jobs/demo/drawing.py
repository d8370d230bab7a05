"""The demo's jobs over HTTP: submitted together, watched live, their outputs downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from omni_jobs.cli.show import wait_for
from omni_jobs.client import Client
from omni_jobs.demo.orders import Order
from omni_jobs.errors import JobFailed
from omni_jobs.schemas import Job, Status

WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class Drawn:
    """An order, the job that served it, and the picture that came."""

    order: Order
    job: Job
    picture: Path


def register_webhook(api_url: str, url: str) -> str:
    """Tell the service of a receiver; returns the secret that its webhooks are signed with."""
    answer = httpx.post(f"{api_url}/v1/webhooks", json={"url": url}, trust_env=False)
    answer.raise_for_status()
    secret: str = answer.json()["secret"]
    return secret


def draw(
    client: Client, orders: Sequence[Order], webhook_url: str, folder: Path, earlier: Sequence[Drawn] = ()
) -> list[Drawn]:
    """Submit all orders, wait for all, download all. Edits take their pictures from `earlier`, by artifact id.

    Raises:
        JobFailed: one did not succeed.
    """
    artifacts = {one.order.number: one.job.artifacts[0].id for one in earlier}
    jobs = []
    for order in orders:
        images = () if order.source is None else (artifacts[order.source],)
        jobs.append(client.submit(order.body(webhook_url, images)))
    ended = wait_for(client, jobs, WAIT_SECONDS, quiet=False)
    for job in ended:
        if job.status is not Status.SUCCEEDED:
            why = job.error.message if job.error else job.status.sentence
            raise JobFailed(f"Job {job.id} ({job.request.prompt!r}) {job.status}: {why}", job=job)
    return [_downloaded(client, order, job, folder) for order, job in zip(orders, ended, strict=True)]


def _downloaded(client: Client, order: Order, job: Job, folder: Path) -> Drawn:
    picture = folder / order.file_name
    picture.write_bytes(client.download(job.artifacts[0]))
    return Drawn(order, job, picture)
