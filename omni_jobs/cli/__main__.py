"""`python -m omni_jobs.cli`, where the script `omni-jobs` is not on the path."""

from omni_jobs.cli.root import main

main(prog_name="omni-jobs")
