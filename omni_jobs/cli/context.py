"""What all commands share: the options that find the service, and errors turned into exit statuses."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from omni_jobs.cli.exits import exit_status
from omni_jobs.client import Client
from omni_jobs.errors import OmniJobsError
from omni_jobs.settings import Settings, load_settings

P = ParamSpec("P")
R = TypeVar("R")

#: Where `up` says how to reach it, readable by its owner alone.
SERVICE_FILE = "service.json"


@dataclass(frozen=True)
class Cli:
    """Options given before or after the command."""

    url: str | None = None
    data: Path | None = None
    as_json: bool = False
    api_key: str | None = None

    def settings(self, **overrides: Any) -> Settings:
        """The settings with the command line's options in them."""
        given = {"data_dir": self.data, "api_key": self.api_key, **overrides}
        return load_settings({name: value for name, value in given.items() if value is not None})

    def address(self) -> str:
        """How to reach the service: --url, the environment, what `up` in this data folder said, the default."""
        settings = self.settings()
        if self.url:
            return self.url
        if settings.api_url:
            return settings.api_url
        if "redis_url" in settings.model_fields_set:
            return settings.redis_url.get_secret_value()
        service = read_service(settings.data_dir)
        return service.get("redis_url", settings.redis_url.get_secret_value())

    def client(self) -> Client:
        """A client on that address."""
        settings = self.settings()
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return Client(self.address(), api_key=key)


def read_service(data_dir: Path) -> dict[str, str]:
    """What a running `up` wrote in its data folder; empty if none runs there."""
    try:
        found: dict[str, str] = json.loads((data_dir / SERVICE_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found


data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder of the service; default: .omni."
)


def command(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command `--json`, `--url`, `--api-key` and `--data` as a `Cli`, and map errors to exit statuses."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.option("--url", metavar="URL", help="Service or Redis to use; default: OMNI_API_URL, OMNI_REDIS_URL.")
    @click.option("--api-key", metavar="KEY", help="Key for a service on HTTP; better said by OMNI_API_KEY.")
    @data_option
    @functools.wraps(function)
    def wrapped(
        *args: Any, as_json: bool, url: str | None, api_key: str | None, data: Path | None, **kwargs: Any
    ) -> R:
        with exits(as_json):
            return function(Cli(url, data, as_json, api_key), *args, **kwargs)

    return wrapped


def service_command(function: Callable[..., R]) -> Callable[..., R]:
    """As `command`, for those that run the service: they take `--data` alone."""

    @data_option
    @functools.wraps(function)
    def wrapped(*args: Any, data: Path | None, **kwargs: Any) -> R:
        with exits(as_json=False):
            return function(Cli(data=data), *args, **kwargs)

    return wrapped


@contextmanager
def exits(as_json: bool) -> Iterator[None]:
    """Errors end the process with their status, and a line on standard error."""
    try:
        yield
    except (OmniJobsError, TimeoutError, KeyboardInterrupt) as error:
        _report(error, as_json)
        sys.exit(exit_status(error))


def _report(error: BaseException, as_json: bool) -> None:
    """Say on standard error what went wrong."""
    text = str(error) or ("interrupted" if isinstance(error, KeyboardInterrupt) else "the time to wait has passed")
    if not as_json:
        click.echo(f"error: {text}", err=True)
        return
    facts = {"code": getattr(error, "code", "timeout"), "message": text, "field": getattr(error, "field", None)}
    click.echo(json.dumps({"error": {name: fact for name, fact in facts.items() if fact}}), err=True)
