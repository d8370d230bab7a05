"""Signed, expiring links to artifacts, made each time somebody reads: used by the API and the courier.

A bucket signs its own links; for a folder, the API serves them under `/v1/objects/`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from omni_jobs.errors import Misconfigured, OmniJobsError, StorageUnavailable
from omni_jobs.schemas import Artifact, Job
from omni_jobs.settings import Settings
from omni_jobs.signing_secret import signing_secret
from omni_jobs.uploads import storage_errors_translated
from storage import LocalStore, ObjectStore, StorageError, open_store
from storage import errors as storage_errors

#: The API's route that serves objects of a folder.
OBJECTS_PATH = "/v1/objects/"


def open_objects(settings: Settings) -> ObjectStore:
    """The deployment's object store; a folder can sign links.

    Raises:
        Misconfigured, StorageUnavailable: with the remedy.
    """
    url = settings.storage_url
    pairs = {
        "access_key_id": settings.storage_access_key,
        "secret_access_key": settings.storage_secret_key,
    }
    options: dict[str, str | bytes] = {
        name: secret.get_secret_value() for name, secret in pairs.items() if secret is not None
    }
    if "://" not in url or url.startswith("file:"):
        options = {"signing_secret": signing_secret(settings)}
        url = url if "://" in url else str(Path(url).absolute())
    try:
        return open_store(url, **options)
    except StorageError as error:
        kind: type[OmniJobsError] = (
            StorageUnavailable if isinstance(error, storage_errors.Unreachable) else Misconfigured
        )
        raise kind(
            f"Object storage: {error.message}",
            field="storage_url",
            remedy=error.remedy or "Check OMNI_STORAGE_URL.",
        ) from error


class Links:
    """Makes links that live for `seconds`; `base` is the API's address, without a slash at its end."""

    def __init__(self, objects: ObjectStore, seconds: int) -> None:
        self._objects = objects
        self._seconds = seconds

    def sign(self, artifact: Artifact, base: str) -> Artifact:
        """The artifact with its link and the moment when that ends. Raises Misconfigured, StorageUnavailable."""
        ends = datetime.now(UTC) + timedelta(seconds=self._seconds)
        with storage_errors_translated():
            url = self._objects.presign_get(artifact.key, self._seconds)
        if isinstance(self._objects, LocalStore):
            url = f"{base}{OBJECTS_PATH}{url}"
        return artifact.model_copy(update={"url": url, "expires_at": ends.replace(microsecond=0)})

    def sign_all(self, job: Job, base: str) -> Job:
        """The job with links to all its artifacts."""
        if not job.artifacts:
            return job
        return job.model_copy(update={"artifacts": tuple(self.sign(one, base) for one in job.artifacts)})
