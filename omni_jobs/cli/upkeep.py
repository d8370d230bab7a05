"""Upkeep by the operator, who reaches Redis and storage: `fsck`, `collect`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from omni_jobs.cli import show
from omni_jobs.cli.context import Cli, command, read_service
from omni_jobs.cli.workers import opened_store
from omni_jobs.object_links import open_objects
from omni_jobs.upkeep import damage, orphans
from storage import ObjectStore

#: Exit status of `fsck` if something is wrong and was not mended.
EXIT_DAMAGED = 1


@click.command()
@click.option("--mend", is_flag=True, help="Mend what is safe; by itself fsck only looks.")
@click.option("--objects/--no-objects", default=True, show_default=True, help="Ask storage for each output.")
@command
def fsck(cli: Cli, mend: bool, objects: bool) -> None:
    """Look for what should never be: jobs that nobody would run or forget, outputs that are not stored.

    Runs beside a working service. Ends with 1 if something is left that is wrong.
    """
    with opened_store(cli) as store:
        stored = opened_objects(cli) if objects else None
        found = list(damage.find_damage(store, stored, mend=mend))
    left = [one for one in found if not one.is_mended]
    if cli.as_json:
        show.print_json({"found": [asdict(one) for one in found], "left": len(left)})
    else:
        for one in found:
            click.echo(f"{'mended' if one.is_mended else 'found'} {one.code} {one.where}: {one.message}")
        click.echo(f"{len(found)} found, {len(left)} left" if found else "all is well")
    sys.exit(EXIT_DAMAGED if left else 0)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--older-than", "hours", type=float, default=24.0, show_default=True, metavar="HOURS",
              help="Leave younger objects alone: their records may be on the way.")  # fmt: skip
@click.option("--finished", "days", type=float, metavar="DAYS",
              help="Also remove jobs that ended so long ago, with their outputs.")  # fmt: skip
@command
def collect(cli: Cli, dry_run: bool, hours: float, days: float | None) -> None:
    """Remove outputs, checkpoints and inputs that no record names any more.

    Records of finished jobs go by themselves after their `ttl_seconds`; what they stored goes here.
    """
    now = datetime.now(UTC)
    with opened_store(cli) as store:
        objects = opened_objects(cli)
        old = [] if days is None else list(orphans.find_finished(store, now - timedelta(days=days)))
        if not dry_run:
            orphans.delete_finished(store, objects, old)
        found = list(orphans.find_orphans(store, objects, now - timedelta(hours=hours)))
        if not dry_run:
            orphans.delete_orphans(objects, found)
    if cli.as_json:
        told = {"jobs": [job.id for job in old], "objects": [asdict(one) for one in found], "dry_run": dry_run}
        show.print_json(told)
        return
    word = "would remove" if dry_run else "removed"
    for job in old:
        click.echo(f"{word} job {job.id}: it ended {job.finished_at:%Y-%m-%d %H:%M}")
    for one in found:
        click.echo(f"{word} {one.key}: {one.why}")
    size = sum(one.size_bytes for one in found)
    click.echo(f"{word} {len(old)} jobs and {len(found)} objects, {size / 1e6:.1f} MB")


def opened_objects(cli: Cli) -> ObjectStore:
    """The objects of the service, found by OMNI_STORAGE_URL or what `up` in this data folder said."""
    settings = cli.settings()
    beside = read_service(settings.data_dir)
    if "storage_url" not in settings.model_fields_set and "storage_url" in beside:
        settings = settings.model_copy(update={"storage_url": beside["storage_url"]})
    return open_objects(settings)
