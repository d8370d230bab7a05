"""Submitting: `submit` and `edit`. Several prompts are several jobs, sent before any is waited for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.cli.jobs import report, save_option, timeout_option
from omni_jobs.cli.parameters import parameter
from omni_jobs.client import Client
from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import MAX_SEED, Job

F = TypeVar("F", bound=Callable[..., Any])

#: Options that are parameters of most models, by option and name.
SHORTHANDS = {
    "steps": "num_inference_steps",
    "width": "width",
    "height": "height",
    "guidance": "guidance_scale",
}


def job_options(function: F) -> F:
    """The options of a job that `submit` and `edit` share."""
    options = [
        click.option("--model", "-m", help="Which model; may be left out if there is only one."),
        click.option("--negative-prompt"),
        click.option("--parameter", "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="Any other."),
        click.option("--lora", "loras", multiple=True, metavar="NAME[:SCALE]", help="An adapter; in this order."),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="NAME=FILE",
            help="A picture that the model takes by this name.",
        ),
        click.option(
            "--control-image", "controls", multiple=True, metavar="FILE", help="--input control_image=FILE"
        ),
        click.option("--steps", type=int),
        click.option("--width", type=int),
        click.option("--height", type=int),
        click.option("--guidance", type=float),
        click.option("--seed", type=int, help=f"0 to {MAX_SEED}; random if absent."),
        click.option("--outputs", "-n", "num_outputs", type=int, help="Pictures per prompt."),
        click.option("--format", "form", type=click.Choice(["png", "jpeg", "webp", "mp4", "wav", "flac"])),
        click.option("--quality", type=int),
        click.option("--priority", type=int, help="0 lowest to 9 highest."),
        click.option("--enhance-prompt", is_flag=True, help="Have the prompt rewritten before it is drawn."),
        click.option("--deterministic", is_flag=True, help="Run alone: bit-identical whatever else runs."),
        click.option("--deadline", help="ISO time after which the result is of no use."),
        click.option("--tag", "tags", multiple=True),
        click.option("--idempotency-key", help="The same key again returns the same job."),
        click.option("--no-wait", is_flag=True, help="Print the job's id and return."),
        timeout_option,
        save_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@click.argument("prompts", nargs=-1)
@click.option("--file", "file", type=click.File("rb"), help="A job as JSON, or one per line; - for input.")
@job_options
@command
def submit(cli: Cli, prompts: tuple[str, ...], file: Any, **options: Any) -> None:
    """Generate: one job per PROMPT. Waits for them, unless told not to."""
    bodies = list(_from_file(file)) if file is not None else []
    bodies += [{"prompt": prompt} for prompt in prompts]
    if not bodies:
        raise click.UsageError("Give a prompt, or --file.")
    _send(cli, bodies, options)


@click.command()
@click.argument("prompt")
@click.option("--image", "-i", "images", multiple=True, required=True, help="A file, or an upload or artifact id.")
@click.option("--mask", help="A file or id; white is repainted.")
@job_options
@command
def edit(cli: Cli, prompt: str, images: tuple[str, ...], mask: str | None, **options: Any) -> None:
    """Edit pictures as PROMPT says."""
    body = {"task": "edit", "prompt": prompt, "images": [_picture(image) for image in images]}
    _send(cli, [body | ({"mask": _picture(mask)} if mask else {})], options)


def _send(cli: Cli, bodies: list[dict[str, Any]], options: dict[str, Any]) -> None:
    waits, timeout, save = not options.pop("no_wait"), options.pop("timeout"), options.pop("save")
    common = _fields(options)
    with cli.client() as client:
        jobs = []
        for number, body in enumerate(bodies):
            fields = _merged(common, body)
            if len(bodies) > 1 and "idempotency_key" in common:
                fields["idempotency_key"] = f"{common['idempotency_key']}-{number}"
            if "model" not in fields:
                fields["model"] = _only_model(client)
            jobs.append(client.submit(fields))
        if not waits:
            _print_sent(cli, jobs)
            return
        ended = show.wait_for(client, jobs, timeout, quiet=cli.as_json or not sys.stderr.isatty())
        report(cli, ended, show.save(client, ended, save) if save else [])


def _print_sent(cli: Cli, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if cli.as_json:
            show.print_json(job.to_json())
        else:
            click.echo(job.id)


def _only_model(client: Client) -> str:
    names = [card.name for card in client.models()]
    if len(names) == 1:
        return names[0]
    known = f"It may be one of {', '.join(names)}." if names else "No worker has published a model yet; start one."
    raise InvalidRequest("`model` is missing.", field="model", remedy=known)


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """The job's fields that the options give; what was not given is left out."""
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    output = {"format": given.pop("form", None), "quality": given.pop("quality", None)}
    parameters = dict(parameter(text) for text in given.pop("parameters", ()))
    parameters |= {name: given.pop(option) for option, name in SHORTHANDS.items() if option in given}
    inputs = _inputs([*given.pop("inputs", ()), *(f"control_image={path}" for path in given.pop("controls", ()))])
    if inputs:
        given["inputs"] = inputs
    if "loras" in given:
        parameters["loras"] = [_lora(text) for text in given.pop("loras")]
    if parameters:
        given["parameters"] = parameters
    if any(value is not None for value in output.values()):
        given["output"] = {name: value for name, value in output.items() if value is not None}
    return given


def _merged(common: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The body with the options' fields; parameters are joined, and the body wins."""
    parameters = {**common.get("parameters", {}), **body.get("parameters", {})}
    return {**common, **body, **({"parameters": parameters} if parameters else {})}


def _inputs(texts: Iterable[str]) -> dict[str, list[str | Path]]:
    found: dict[str, list[str | Path]] = {}
    for text in texts:
        name, separator, picture = text.partition("=")
        if not separator:
            raise click.UsageError(f"--input {text!r}: write NAME=FILE.")
        found.setdefault(name, []).append(_picture(picture))
    return found


def _lora(text: str) -> dict[str, Any]:
    name, separator, scale = text.rpartition(":")
    if not separator:
        return {"name": text}
    try:
        return {"name": name, "scale": float(scale)}
    except ValueError:
        raise click.UsageError(f"--lora {text!r}: write NAME or NAME:SCALE, the scale a number.") from None


def _picture(text: str) -> str | Path:
    path = Path(text)
    if path.exists() or not text.startswith(("upl_", "art_")):
        return path
    return text


def _from_file(file: Any) -> Iterable[dict[str, Any]]:
    """One JSON object, a list of them, or one per line."""
    text = file.read()
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except ValueError:
        return [_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _line(number: int, line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"line {number}: is not JSON: {error}.", field=f"line {number}") from error
    if not isinstance(body, dict):
        raise InvalidRequest(f"line {number}: a job is a JSON object.", field=f"line {number}", value=body)
    return body
