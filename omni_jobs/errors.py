"""Every error a user of omni-jobs can meet, with a stable `code` and whether trying again can help.

The HTTP status and the CLI exit code of each are mapped once, at the edge (`api/problems.py`, `cli/exits.py`).
Cancelling and draining are control flow, not errors, and have no class here.

    OmniJobsError
    ├── InvalidRequest            invalid_request        a field, its value and the remedy
    │   ├── UnknownModel          model_not_found
    │   ├── InvalidMedia          invalid_media          a broken, huge or non-image input
    │   ├── InputDownloadFailed   input_download_failed  an input by URL that may not or cannot be read
    │   ├── IdempotencyMismatch   idempotency_mismatch   same key, another body
    │   ├── TooLarge              payload_too_large      a body above the limit
    │   └── ModerationBlocked     moderation_blocked
    ├── NotFound                  not_found
    ├── IllegalMove               illegal_move           the lifecycle table forbids it
    ├── Superseded                superseded             a write of an attempt that is no longer current
    ├── Misconfigured             misconfigured          settings, omni.toml, server policy
    ├── Forbidden                 forbidden
    │   └── Unauthorized          invalid_api_key        no key, or a wrong one
    ├── Unavailable               (retryable)
    │   ├── QueueUnavailable      queue_unavailable      Redis does not answer
    │   ├── StorageUnavailable    storage_unavailable
    │   ├── QueueFull             queue_full
    │   ├── RateLimited           rate_limit_exceeded    too many requests of one account or key
    │   ├── IntakePaused          intake_paused          an operator lets no new jobs in
    │   └── EngineUnavailable     engine_unavailable     the engine process died or does not start
    ├── QuotaExceeded             insufficient_quota     the account's day is used up
    ├── ExecutionFailed           execution_failed       the pipeline raised
    │   ├── OutOfMemory           out_of_memory
    │   ├── DeadlineExceeded      deadline_exceeded
    │   ├── Poisoned              poisoned               it kills the device process whoever runs beside it
    │   ├── AttemptsExhausted     attempts_exhausted
    │   └── UploadFailed          upload_failed
    └── JobFailed                 job_failed             raised by `wait`: the job ended without success
"""

from __future__ import annotations

from typing import Any, ClassVar


class OmniJobsError(Exception):
    """Base of all errors of the project."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, field: str | None = None, value: Any = None, remedy: str | None = None
    ) -> None:
        super().__init__(message if remedy is None else f"{message} {remedy}")
        self.message = message
        self.field = field
        self.value = value
        self.remedy = remedy
        #: When the same call may work, where that is known.
        self.retry_after_seconds: float | None = None


class InvalidRequest(OmniJobsError):
    """The request can never succeed as it stands: it names the field, the value and the remedy."""

    code = "invalid_request"


class UnknownModel(InvalidRequest):
    """No registry row of any worker, live or known, has this model name."""

    code = "model_not_found"


class InvalidMedia(InvalidRequest):
    """An input is not a picture, is broken, or exceeds the pixel or byte limits."""

    code = "invalid_media"


class InputDownloadFailed(InvalidRequest):
    """An input's URL leads where nobody may go, or to nothing that can be used."""

    code = "input_download_failed"


class IdempotencyMismatch(InvalidRequest):
    """The idempotency key was used before with another body."""

    code = "idempotency_mismatch"


class TooLarge(InvalidRequest):
    """The body has more bytes than the server takes."""

    code = "payload_too_large"


class ModerationBlocked(InvalidRequest):
    """The operator's safety hook refused the prompt or the output."""

    code = "moderation_blocked"


class NotFound(OmniJobsError):
    """There is no such job, artifact or upload, or its record has passed its time to live."""

    code = "not_found"


class IllegalMove(OmniJobsError):
    """The lifecycle table does not allow this move from the job's present status."""

    code = "illegal_move"


class Superseded(OmniJobsError):
    """The attempt that wrote is no longer the job's current one; nothing was changed."""

    code = "superseded"


class Misconfigured(OmniJobsError):
    """A setting, a model row or a server's policy makes correct operation impossible."""

    code = "misconfigured"


class Forbidden(OmniJobsError):
    """The key lacks the scope, or the address is not one of ours."""

    code = "forbidden"


class Unauthorized(Forbidden):
    """The key is missing or wrong."""

    code = "invalid_api_key"


class Unavailable(OmniJobsError):
    """Something we depend on does not answer now; the same call may succeed later."""

    code = "unavailable"
    retryable = True


class QueueUnavailable(Unavailable):
    """Redis does not answer."""

    code = "queue_unavailable"


class StorageUnavailable(Unavailable):
    """The object store does not answer."""

    code = "storage_unavailable"


class QueueFull(Unavailable):
    """The admission limit is reached."""

    code = "queue_full"


class RateLimited(Unavailable):
    """The account, or this key, makes more requests than it may; `retry_after_seconds` says when it may again."""

    code = "rate_limit_exceeded"


class QuotaExceeded(OmniJobsError):
    """The account, or this key, has used what it may in a day; `retry_after_seconds` says when the next begins."""

    code = "insufficient_quota"


class IntakePaused(Unavailable):
    """An operator paused the intake; jobs that were taken before go on."""

    code = "intake_paused"


class EngineUnavailable(Unavailable):
    """The engine process died, or did not become ready."""

    code = "engine_unavailable"


class ExecutionFailed(OmniJobsError):
    """The pipeline itself raised; the message carries its words."""

    code = "execution_failed"


class OutOfMemory(ExecutionFailed):
    """One call of this job does not fit the device even alone."""

    code = "out_of_memory"
    #: The remedy where nothing is known of what would fit.
    ask_for_less: ClassVar[str] = "Ask for a smaller picture or fewer frames."


class DeadlineExceeded(ExecutionFailed):
    """The job's deadline passed while it ran."""

    code = "deadline_exceeded"


class Poisoned(ExecutionFailed):
    """The job took its device process down each time it ran, alone in the end."""

    code = "poisoned"


class AttemptsExhausted(ExecutionFailed):
    """Every allowed attempt ended without a result."""

    code = "attempts_exhausted"


class UploadFailed(ExecutionFailed):
    """The outputs were rendered and could not be stored."""

    code = "upload_failed"
    retryable = True


class JobFailed(OmniJobsError):
    """Raised to a waiting caller: the job ended failed, canceled or expired. `job` holds the record."""

    code = "job_failed"

    def __init__(self, message: str, *, job: Any) -> None:
        super().__init__(message)
        self.job = job
