"""Exit statuses of the command line, mapped from errors here and nowhere else. `docs/cli.md` shows the table."""

from __future__ import annotations

from omni_jobs import errors

EXITS: dict[type[BaseException], tuple[int, str]] = {
    errors.InvalidRequest: (2, "the request or the command line is wrong"),
    errors.NotFound: (3, "there is no such job, model or file"),
    errors.JobFailed: (4, "the job ended failed, canceled or expired"),
    errors.IllegalMove: (5, "the job's status does not allow it"),
    errors.QuotaExceeded: (75, "the account has used what it may in a day"),
    errors.Unavailable: (69, "Redis, the object store or the service does not answer; try again"),
    errors.Forbidden: (77, "the key is missing or wrong"),
    errors.Misconfigured: (78, "settings, omni.toml or a server's policy are wrong"),
    TimeoutError: (124, "the time to wait passed; the job goes on"),
    KeyboardInterrupt: (130, "interrupted; the job goes on"),
    errors.OmniJobsError: (70, "anything else that is our fault"),
}


def exit_status(error: BaseException) -> int:
    """The status of an error: the first row, in order, that it is an instance of."""
    return next((status for kind, (status, _) in EXITS.items() if isinstance(error, kind)), 70)
