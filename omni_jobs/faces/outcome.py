"""Why a job ended without success, in one form for every face."""

from __future__ import annotations

from omni_jobs.schemas import Artifact, Job, JobError, Status


def error_of(job: Job) -> JobError | None:
    """Why a job ended without success; None if it did not."""
    if job.status is Status.CANCELED:
        return JobError(code="canceled", message="The job was canceled.")
    if job.status is Status.EXPIRED:
        return JobError(code="expired", message="The deadline passed before the job began.")
    if job.status is Status.FAILED:
        return job.error or JobError(code="execution_failed", message="The job failed.")
    return None


def text_of(error: JobError) -> str:
    """What happened and what to do."""
    return f"{error.message} {error.remedy}" if error.remedy else error.message


def media_of(job: Job) -> list[Artifact]:
    """The pictures, clips and sounds that were asked for: not the tensors that a pipeline gave out beside them."""
    return [one for one in job.artifacts if one.content_type.partition("/")[0] in ("image", "video", "audio")]
