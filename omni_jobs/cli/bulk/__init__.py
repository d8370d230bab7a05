"""The group `bulk`."""

from __future__ import annotations

import click

from omni_jobs.cli.bulk.preview import check, expand
from omni_jobs.cli.bulk.products import export, report
from omni_jobs.cli.bulk.runs import cancel, retry, run, status


@click.group()
def bulk() -> None:
    """Render a manifest of many jobs, each exactly once.

    A manifest is JSON Lines (native jobs, or an OpenAI batch), CSV or TSV, or a template in TOML.
    """


for one in (expand, check, run, status, cancel, retry, report, export):
    bulk.add_command(one)
