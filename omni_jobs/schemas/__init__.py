"""The words of the system. Everything that crosses a process or a door is declared here."""

from omni_jobs.schemas.catalogue import ModelCard, PictureRule
from omni_jobs.schemas.events import TERMINAL_EVENTS, Event, EventType
from omni_jobs.schemas.fleet import SERVING, Deployment, ModelState, Upload, WorkerInfo
from omni_jobs.schemas.job import (
    DEFAULT_PRIORITY,
    MAX_SEED,
    JobRequest,
    OutputOptions,
    WebhookOptions,
    nearest,
    parse_job,
)
from omni_jobs.schemas.job_filter import EVERY_JOB, JobFilter
from omni_jobs.schemas.lifecycle import MOVES, SENTENCES, Phase, Status, sources_of
from omni_jobs.schemas.record import (
    RECORD_VERSION,
    Artifact,
    Enhancement,
    Job,
    JobError,
    Progress,
    Sharing,
    Waiting,
)

__all__ = [
    "DEFAULT_PRIORITY",
    "EVERY_JOB",
    "MAX_SEED",
    "MOVES",
    "RECORD_VERSION",
    "SENTENCES",
    "SERVING",
    "TERMINAL_EVENTS",
    "Artifact",
    "Deployment",
    "Enhancement",
    "Event",
    "EventType",
    "Job",
    "JobError",
    "JobFilter",
    "JobRequest",
    "ModelCard",
    "ModelState",
    "OutputOptions",
    "Phase",
    "PictureRule",
    "Progress",
    "Sharing",
    "Status",
    "Upload",
    "Waiting",
    "WebhookOptions",
    "WorkerInfo",
    "nearest",
    "parse_job",
    "sources_of",
]
