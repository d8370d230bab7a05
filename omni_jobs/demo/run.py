"""The demo from start to end: start everything, draw, edit, check, compare, write, stop everything."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from omni_jobs.client import Client
from omni_jobs.demo import orders
from omni_jobs.demo.comparing import compare
from omni_jobs.demo.contact_sheet import contact_sheet
from omni_jobs.demo.drawing import Drawn, draw, register_webhook
from omni_jobs.demo.page import page
from omni_jobs.demo.receiver import Receiver, receiving
from omni_jobs.demo.report import Report, make_report
from omni_jobs.demo.s3 import s3_settings
from omni_jobs.demo.service import Running, running

WEBHOOK_SECONDS = 60.0


@dataclass(frozen=True)
class Options:
    """`folder` receives everything; `weights` replace the packaged ones; `keep` stays up until Ctrl-C."""

    folder: Path
    keep: bool = False
    s3: bool = False
    weights: Path | None = None

    @property
    def source(self) -> str | None:
        return str(self.weights.absolute()) if self.weights else None


def run_demo(options: Options, console: Console) -> bool:
    """Run the demo; returns whether it kept its promises. What it started has ended when it returns.

    Raises:
        Unavailable: the service does not start. JobFailed: a job did not succeed.
    """
    pictures = _fresh_folder(options.folder)
    began = time.monotonic()
    storage: AbstractContextManager[dict[str, str]] = (
        s3_settings(options.folder) if options.s3 else nullcontext({})
    )
    with (
        receiving() as receiver,
        storage as settings,
        _service(options, receiver, settings, console) as service,
    ):
        console.print(f"ready after {time.monotonic() - began:.1f} s at {service.api_url}")
        drawn = _draw_all(service, receiver, pictures, console)
        console.print("comparing with plain diffusers ...")
        report = make_report(drawn, receiver, compare(drawn, options.source), "s3" if options.s3 else "local")
        _write(options.folder, drawn, report)
        _tell(options.folder, report, time.monotonic() - began, console)
        if options.keep:
            _wait_for_interrupt(service, receiver, console)
    return all(check.ok for check in report.checks())


@contextmanager
def _service(
    options: Options, receiver: Receiver, settings: dict[str, str], console: Console
) -> Iterator[Running]:
    console.print("starting Redis, API, courier and one worker ...")
    place = receiver.url.split("/")[2]
    with running(options.folder / "service", options.source, place, settings) as service:
        receiver.secret = register_webhook(service.api_url, receiver.url)
        yield service


def _draw_all(service: Running, receiver: Receiver, pictures: Path, console: Console) -> list[Drawn]:
    with Client(service.api_url) as client:
        wanted = orders.generations()
        console.print(f"drawing {len(wanted)} pictures")
        drawn = draw(client, wanted, receiver.url, pictures)
        changes = orders.edits()
        console.print(f"editing {len(changes)} of them")
        drawn += draw(client, changes, receiver.url, pictures, earlier=drawn)
    receiver.wait_for((one.job.id for one in drawn), WEBHOOK_SECONDS)
    return drawn


def _fresh_folder(folder: Path) -> Path:
    """The folder for pictures, without those of an earlier run."""
    pictures = folder / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    return pictures


def _write(folder: Path, drawn: list[Drawn], report: Report) -> None:
    contact_sheet(drawn).save(folder / "contact_sheet.png", optimize=True)
    (folder / "index.html").write_text(page(drawn, report), "utf-8")
    (folder / "report.json").write_text(json.dumps(report.to_json(drawn), indent=2) + "\n", "utf-8")


def _tell(folder: Path, report: Report, seconds: float, console: Console) -> None:
    console.print(
        f"\n{report.jobs} jobs in {report.seconds:.1f} s, {report.images_per_second:.1f} pictures a second; "
        f"{report.right} of {report.jobs} show what was asked for; {seconds:.0f} s in all",
    )
    for check in report.checks():
        mark = "[green]ok    [/]" if check.ok else "[red]failed[/]"
        console.print(f"{mark} {check.words}")
    console.print()
    for name in ("contact_sheet.png", "index.html", "report.json", "pictures", "service/logs"):
        console.print(f"  {folder / name}")


def _wait_for_interrupt(service: Running, receiver: Receiver, console: Console) -> None:
    console.print(
        f"\nThe service stays up: API {service.api_url} (its documentation: {service.api_url}/docs), data "
        f"{service.data}, webhooks go to {receiver.url}.\nTry: omni-jobs submit --data {service.data} "
        '"a red circle on white" --save .\nCtrl-C stops it.',
    )
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
