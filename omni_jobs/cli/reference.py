"""Writes `docs/cli.md` from the commands themselves: `python -m omni_jobs.cli.reference > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from omni_jobs.cli.exits import EXITS
from omni_jobs.cli.root import main

INTRODUCTION = """# The command line

Written by `python -m omni_jobs.cli.reference`; a test keeps it so.

Start everything on one machine, then submit from another terminal in the same folder:

    omni-jobs up --model tiny=./my-pipeline --caps 'fixed(8)'
    omni-jobs submit "a red fox" "a grey wolf" --save pictures

`up` runs a Redis of its own (unless `--redis` or `OMNI_REDIS_URL` names one), the workers, the HTTP API and the
courier. All data lie in one folder, `.omni` by default: `redis/` (append-only file), `objects/` (unless
`OMNI_STORAGE_URL` names a bucket), `spool/`, `logs/` (one file per process), and while it runs `service.json`,
by which the other commands find it. Ctrl-C drains: what is in flight goes back to the queue without spending an
attempt. A child that dies is started again; if `up` itself is killed, its children end too and no job is lost.

A command finds the service by `--url`, else `OMNI_API_URL`, else `OMNI_REDIS_URL`, else `service.json` in the data
folder, else Redis on its usual port. With `--json` results go to standard output as one JSON value per line, and
errors to standard error as `{"error": {"code", "message", "field"}}`.
"""


def reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Exit statuses\n", "| status | meaning |", "|---|---|", "| 0 | done |"]
    parts += [f"| {status} | {meaning} |" for status, meaning in sorted(EXITS.values())]
    parts.append("\n`doctor` exits with 1 if it found something wrong.\n\n## Commands")
    root = click.Context(main, info_name="omni-jobs", terminal_width=100, **main.context_settings)
    parts += [text for name, command in main.commands.items() for text in _described(name, command, root, "###")]
    return "\n".join(parts) + "\n"


def _described(name: str, command: click.Command, parent: click.Context, heading: str) -> Iterator[str]:
    """A command and, for a group, those in it."""
    context = click.Context(command, parent=parent, info_name=name)
    title = context.command_path.removeprefix("omni-jobs ")
    yield f"\n{heading} {title}\n\n```text\n{command.get_help(context).strip()}\n```"
    if isinstance(command, click.Group):
        for inner, its in command.commands.items():
            yield from _described(inner, its, context, f"{heading}#")


if __name__ == "__main__":
    click.echo(reference(), nl=False)
