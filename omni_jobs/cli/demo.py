"""For newcomers: `demo` runs the whole service and shows what it does, `try` draws one picture with no server."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command
from omni_jobs.errors import ExecutionFailed
from omni_jobs.schemas import MAX_SEED

TRY_MODULE = "workers.try_one"


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything up until Ctrl-C, and print the addresses.")
@click.option("--s3", is_flag=True, help="Store on an S3 server (moto) instead of in a folder.")
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A diffusers folder to use instead of the packaged weights of `shapes`.",
)
@command
def demo(cli: Cli, keep: bool, s3: bool, weights: Path | None) -> None:
    """Start everything, draw and edit 32 pictures, check and measure all of it, stop everything.

    Fails if too few calls shared a forward, a picture differs from a solo run, or a webhook is missing or forged.
    """
    from omni_jobs.demo import Options, run_demo

    folder = cli.settings().data_dir / "demo"
    console = Console(quiet=cli.as_json, highlight=False, soft_wrap=True)
    passed = run_demo(Options(folder, keep=keep, s3=s3, weights=weights), console)
    if cli.as_json:
        show.print_json(json.loads((folder / "report.json").read_text()))
    if not passed:
        sys.exit(1)


@click.command("try")
@click.argument("prompt")
@click.option("--model", default="shapes", show_default=True, metavar="NAME=SOURCE", help="As of `up`.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Edit this picture.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Random if absent.")
@click.option("--steps", type=click.IntRange(1, 1000))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: a file in .omni/try.")
@command
def try_one(
    cli: Cli, prompt: str, model: str, image: Path | None, seed: int | None, steps: int | None, output: Path | None
) -> None:
    """Draw one picture with no server at all."""
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    path = output or cli.settings().data_dir / "try" / f"{_slug(prompt)}-{seed}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    question: dict[str, object] = {
        "prompt": prompt,
        "model": model,
        "image": image and str(image),
        "seed": seed,
        "steps": steps,
        "output": str(path),
    }
    answer = _ask(question)
    if cli.as_json:
        show.print_json(answer)
    else:
        seconds = f"drawn in {answer['seconds']} s, model loaded in {answer['load_seconds']} s"
        click.echo(f"{answer['path']}  {seconds}, seed {answer['seed']}")


def _ask(question: dict[str, object]) -> dict[str, object]:
    """Have it drawn by a child: this process never imports torch."""
    done = subprocess.run(
        [sys.executable, "-m", TRY_MODULE],
        input=json.dumps(question),
        env={"OMP_NUM_THREADS": "1", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ExecutionFailed(lines[-1].removeprefix("error: "))
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _slug(prompt: str) -> str:
    """A file name of a prompt's words."""
    letters = "".join(letter if letter.isalnum() else " " for letter in prompt)
    return "-".join(letters.split())[:60] or "picture"
