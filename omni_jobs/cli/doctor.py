"""What is missing or wrong on this machine, and what to do about it: `doctor`."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command, read_service
from omni_jobs.cli.findings import Finding, answers
from omni_jobs.errors import OmniJobsError, QueueUnavailable

#: Packages by the extra that brings them; those of "server" and "worker" are only missed where they are used.
PACKAGES = {
    "server": ("celery", "kombu", "redis", "boto3", "pillow"),
    "worker": ("torch", "diffusers", "transformers", "safetensors", "greenlet", "av"),
}
#: Versions that were measured against lost and doubled messages.
PINS = {"celery": "5.6.3", "kombu": "5.7.0"}
LEAST_FREE_BYTES = 2 * 2**30
PROBE_SECONDS = 120
EXAMINE_MODULE = "workers.verification.examine"
DEVICE_PROBE = (
    "import torch; n = torch.cuda.device_count(); "
    "print(', '.join(torch.cuda.get_device_name(i) for i in range(n)) or 'cpu only', '- torch', torch.__version__)"
)


def check_python(_cli: Cli) -> Iterator[Finding]:
    fits = sys.version_info >= (3, 11)
    remedy = None if fits else "Use Python 3.11 or later."
    yield Finding("python", "ok" if fits else "wrong", platform.python_version(), remedy)


def check_packages(_cli: Cli) -> Iterator[Finding]:
    for extra, names in PACKAGES.items():
        for name in names:
            try:
                found = version(name)
            except PackageNotFoundError:
                yield Finding(name, "warning", "not installed", f"pip install 'omni-jobs[{extra}]'")
                continue
            wanted = PINS.get(name)
            if wanted and found != wanted:
                yield Finding(name, "wrong", found, f"pip install {name}=={wanted}: other versions lose jobs.")
            else:
                yield Finding(name, "ok", found)


def check_settings(cli: Cli) -> Iterator[Finding]:
    settings = cli.settings()
    yield Finding("settings", "ok", f"data in {settings.data_dir.absolute()}")
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.absolute().parent
    free = shutil.disk_usage(folder if folder.exists() else ".").free
    enough = free >= LEAST_FREE_BYTES
    remedy = None if enough else "Free some space, or set OMNI_DATA_DIR."
    yield Finding("disk", "ok" if enough else "warning", f"{free / 2**30:.1f} GiB free", remedy)


def check_redis(cli: Cli) -> Iterator[Finding]:
    """Redis, and through it the workers that live."""
    from pydantic import SecretStr

    from omni_jobs.store import connect
    from omni_jobs.store.connection import host_of

    address = cli.address()
    store = connect(cli.settings().model_copy(update={"redis_url": SecretStr(address)}))
    yield Finding("redis", "ok", host_of(address))
    workers = store.workers()
    for info in workers:
        models = ", ".join(f"{model} {state}" for model, state in info.models.items())
        bad = "failed" in info.models.values()
        errors = "; ".join(info.details.get("errors", {}).values())
        yield Finding(info.id, "wrong" if bad else "ok", f"{models} on {info.device or '?'}", errors or None)
    if not workers:
        yield Finding("workers", "warning", "none is alive", "omni-jobs up --model NAME=FOLDER")
    store.close()


def check_storage(cli: Cli) -> Iterator[Finding]:
    """A small object is written, read back and deleted."""
    from omni_jobs.uploads import storage_errors_translated
    from storage import open_store

    settings = cli.settings()
    address = read_service(settings.data_dir).get("storage_url", settings.storage_url)
    secrets = {"access_key_id": settings.storage_access_key, "secret_access_key": settings.storage_secret_key}
    options = {name: value.get_secret_value() for name, value in secrets.items() if value is not None}
    with storage_errors_translated():
        open_store(address, **options).check()
    yield Finding("storage", "ok", address)


def check_device(_cli: Cli) -> Iterator[Finding]:
    """In a process of its own: this one never imports torch."""
    probe = subprocess.run(
        [sys.executable, "-c", DEVICE_PROBE], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
    )
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["it failed"])[-1]
        yield Finding("device", "warning", last, "pip install 'omni-jobs[worker]' where workers run.")
        return
    text = probe.stdout.strip()
    remedy = "A CPU renders slowly." if text.startswith("cpu only") else None
    yield Finding("device", "warning" if remedy else "ok", text, remedy)


CHECKS: dict[str, Callable[[Cli], Iterator[Finding]]] = {
    "python": check_python,
    "packages": check_packages,
    "settings": check_settings,
    "redis": check_redis,
    "storage": check_storage,
    "device": check_device,
}


def examine(cli: Cli) -> Iterator[Finding]:
    """All findings; a check that cannot be made is one too."""
    for name, check in CHECKS.items():
        try:
            yield from check(cli)
        except ModuleNotFoundError as error:
            yield Finding(name, "warning", f"{error.name} is not installed", "pip install 'omni-jobs[server]'")
        except QueueUnavailable as error:
            yield Finding(name, "wrong", error.message, "Start `omni-jobs up`, or set OMNI_REDIS_URL.")
        except OmniJobsError as error:
            yield Finding(name, "wrong", error.message, error.remedy)


def examine_models(models: tuple[str, ...], config: Path | None, steps: int) -> Iterator[Finding]:
    """What a child finds in these models, beginning with whether they load."""
    question = {"models": models, "config": config and str(config), "steps": steps}
    try:
        for found in answers(EXAMINE_MODULE, question):
            yield Finding(f"{found['model']} {found['name']}", found["state"], found["text"], found["remedy"])
    except OmniJobsError as error:
        yield Finding("models", "wrong", error.message, error.remedy)


@click.command()
@click.option("--model", "models", multiple=True, metavar="NAME=SOURCE", help="Examine this model, as of `up`.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Examine the models of this omni.toml.",
)
@click.option("--steps", type=click.IntRange(1, 200), default=4, show_default=True, help="Steps of each look.")
@command
def doctor(cli: Cli, models: tuple[str, ...], config: Path | None, steps: int) -> None:
    """Say what is missing or wrong here, and the remedy. Fails if something is wrong.

    With --model or --config it loads these models instead, and compares them with plain diffusers.
    """
    found = examine_models(models, config, steps) if models or config else examine(cli)
    findings = []
    console = Console(soft_wrap=True)
    for finding in found:
        findings.append(finding)
        if not cli.as_json:
            finding.show(console)
    if cli.as_json:
        show.print_json([asdict(finding) for finding in findings])
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(1)
