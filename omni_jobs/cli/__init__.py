"""The command line `omni-jobs`: one file per command group. Starts workers by module name and imports none."""

from omni_jobs.cli.root import main

__all__ = ["main"]
