"""`bulk run` and what belongs to a run: `status`, `cancel`, `retry`."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import click

from omni_jobs.bulk.backend import Backend
from omni_jobs.bulk.control import LIVE, call_off, last_status, read_command, write_command
from omni_jobs.bulk.destination import open_destination
from omni_jobs.bulk.paths import DEFAULT_PATH, PathTemplate
from omni_jobs.bulk.run import Run
from omni_jobs.bulk.workplace import Workplace
from omni_jobs.cli.bulk.backends import local_backend, queue_backend
from omni_jobs.cli.bulk.options import local_facts, local_options, manifest_options, opened, out_argument
from omni_jobs.cli.bulk.showing import Display, print_status
from omni_jobs.cli.context import Cli, command
from omni_jobs.errors import OmniJobsError

#: Exit status of a run in which a line failed.
SOME_FAILED = 4


@click.command()
@manifest_options
@click.option("--out", "-o", required=True, metavar="DIR|s3://BUCKET/PREFIX", help="Where outputs and results go.")
@click.option("--path", default=DEFAULT_PATH, show_default=True, help="Path of each output below it.")
@click.option("--priority", type=click.IntRange(0, 9), default=0, show_default=True, help="Of lines without one.")
@click.option("--in-flight", type=click.IntRange(1, 4096), default=64, show_default=True, help="Lines at a time.")
@local_options
@command
def run(cli: Cli, manifest: Path, model: str | None, defaults: tuple[str, ...], **options: Any) -> None:
    """Render every line once. The same command again goes on where it was, and renders what is missing or changed.

    Exits with 4 if a line failed or is bad; `results.jsonl` explains each.
    """
    facts = {"manifest": str(manifest.absolute()), "model": model, "set": list(defaults), **options}
    facts |= local_facts(cli, options)
    start(cli, facts, again=False)


def start(cli: Cli, facts: dict[str, Any], *, again: bool) -> None:
    """Run as these facts say, and end the process with what came of it."""
    settings = cli.settings()
    manifest = opened(Path(facts["manifest"]), facts["model"], tuple(facts["set"]))
    PathTemplate(facts["path"])  # a wrong one is said before anything is written
    destination = open_destination(facts["out"], settings)
    workplace = Workplace(destination, settings.data_dir, exclusive=facts["local"])
    write_command(destination, facts)
    with Display(as_json=cli.as_json) as display:
        if facts["local"]:
            backend: Backend = local_backend(cli, facts, manifest, workplace.own / "renderer.log")
        else:
            backend = queue_backend(cli, facts, destination)
        status = asyncio.run(Run(manifest, backend, workplace, again=again, show=display)())
    print_status(status, as_json=cli.as_json or not sys.stdout.isatty())
    if status["failed"] or status["invalid"] or status["state"] != "finished":
        sys.exit(SOME_FAILED)


@click.command()
@out_argument
@click.option("--watch", is_flag=True, help="Go on showing it until the run ends.")
@command
def status(cli: Cli, out: str, watch: bool) -> None:
    """Show how far the run that writes to OUT is, from any machine that reaches OUT."""
    destination = open_destination(out, cli.settings())
    found = last_status(destination)
    with Display(as_json=cli.as_json) if watch else nullcontext(lambda _: None) as display:
        while watch and found["state"] in LIVE:
            display(found)
            time.sleep(destination.look_seconds)
            found = last_status(destination)
    print_status(found, as_json=cli.as_json)


@click.command()
@out_argument
@click.option("--timeout", default=60.0, show_default=True, metavar="SECONDS", help="Wait so long for the run.")
@command
def cancel(cli: Cli, out: str, timeout: float) -> None:
    """Stop the run that writes to OUT. What is done stays; running it again goes on from there.

    A run that has died has its jobs called off.
    """
    destination = open_destination(out, cli.settings())
    found = last_status(destination)
    if found["state"] in LIVE:
        call_off(destination)
    ends = time.monotonic() + timeout
    while found["state"] in LIVE and time.monotonic() < ends:
        time.sleep(destination.look_seconds)
        found = last_status(destination)
    if found["state"] in LIVE:
        raise TimeoutError(f"The run on {found['host']} has not answered; it stops when it looks.")
    if found["jobs"]:
        with cli.client() as client:
            for job in found["jobs"]:
                with suppress(OmniJobsError):
                    client.cancel(job)
    print_status(found, as_json=cli.as_json)


@click.command()
@out_argument
@click.option("--failed", is_flag=True, required=True, help="Lines whose last word is an error of the rendering.")
@command
def retry(cli: Cli, out: str, failed: bool) -> None:
    """Go on with the run that wrote to OUT, as it was started, and try what failed again."""
    destination = open_destination(out, cli.settings())
    start(cli, read_command(destination) | {"out": out}, again=failed)
