"""The group of all commands."""

from __future__ import annotations

import click

from omni_jobs import __version__
from omni_jobs.cli.allowances import limits, usage
from omni_jobs.cli.bulk import bulk
from omni_jobs.cli.dead import dead
from omni_jobs.cli.demo import demo, try_one
from omni_jobs.cli.doctor import doctor
from omni_jobs.cli.jobs import cancel, get, list_jobs, retry, watch
from omni_jobs.cli.keys import keys
from omni_jobs.cli.logs import logs
from omni_jobs.cli.models import models
from omni_jobs.cli.new_model import new_model
from omni_jobs.cli.submit import edit, submit
from omni_jobs.cli.up import up, worker
from omni_jobs.cli.upkeep import collect, fsck
from omni_jobs.cli.webhooks import webhooks
from omni_jobs.cli.workers import workers


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="omni-jobs")
def main() -> None:
    """A durable worker pool for generative media.

    Start the service with `omni-jobs up --model shapes`, then `omni-jobs submit "a red circle on white"`.
    """


for one in (
    up,
    worker,
    workers,
    submit,
    edit,
    watch,
    get,
    list_jobs,
    cancel,
    retry,
    dead,
    webhooks,
    keys,
    bulk,
    limits,
    usage,
    models,
    new_model,
    logs,
    doctor,
    fsck,
    collect,
    demo,
    try_one,
):
    main.add_command(one)
