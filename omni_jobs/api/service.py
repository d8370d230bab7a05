"""What the routes work with: one object per API process, and whose request it is."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from omni_jobs.api.access import CALLER, caller_key_id, require
from omni_jobs.api.edge import Traffic
from omni_jobs.api.estimates import Estimates
from omni_jobs.api.faces.catalogue import parse_aliases
from omni_jobs.api.readiness import Readiness
from omni_jobs.api.shelf import Shelf
from omni_jobs.fetching import Fetcher, FetchPolicy
from omni_jobs.object_links import Links
from omni_jobs.safety import PromptCheck
from omni_jobs.schemas import Upload
from omni_jobs.schemas.access import Caller, Scope
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from omni_jobs.uploads import add_picture
from storage import ObjectStore

#: Pictures decoded at a time: each may need its pixels in memory.
DECODING = 2


@dataclass
class Service:
    """Everything that one API process owns."""

    settings: Settings
    store: JobStore
    objects: ObjectStore
    traffic: Traffic = field(default_factory=Traffic)
    prompt_check: PromptCheck | None = None

    def __post_init__(self) -> None:
        self.links = Links(self.objects, self.settings.link_seconds)
        self.readiness = Readiness(self.store)
        self.estimates = Estimates(self.store)
        self.decoding = asyncio.Semaphore(DECODING)
        self.thumbnails = Shelf()
        self.fetcher = Fetcher(
            FetchPolicy.parse(self.settings.fetch_urls),
            max_bytes=self.settings.max_input_bytes,
            timeout_seconds=self.settings.fetch_timeout_seconds,
        )
        self.aliases = parse_aliases(self.settings.model_aliases)

    async def fetch_picture(self, account: str, url: str, field: str, upload_id: str | None = None) -> Upload:
        """Takes an input picture of any face by its URL, as the operator allows it, and keeps it.

        Raises:
            Forbidden, InputDownloadFailed, TooLarge, and what `keep_picture` raises.
        """
        with tempfile.NamedTemporaryFile(prefix="fetched-") as spool:
            await self.fetcher.fetch(url, spool, field)
            async with self.decoding:
                return await asyncio.to_thread(self.keep_picture, account, Path(spool.name), None, upload_id)

    def keep_picture(
        self, account: str, data: bytes | Path, filename: str | None = None, upload_id: str | None = None
    ) -> Upload:
        """Checks and stores an input picture of any face; it counts for the account and for the caller's key.

        Raises:
            InvalidMedia, QuotaExceeded, StorageUnavailable, QueueUnavailable.
        """
        settings = self.settings
        return add_picture(
            self.store,
            self.objects,
            account,
            data,
            filename=filename,
            max_bytes=settings.max_input_bytes,
            max_pixels=settings.max_input_pixels,
            upload_id=upload_id,
            limits=settings.limits,
            key_id=caller_key_id(),
        )

    def reserve_bytes(self, account: str, size_bytes: int) -> None:
        """Counts other bytes that a face is about to store. Raises QuotaExceeded."""
        limits = self.settings.limits
        self.store.reserve_bytes(account, size_bytes, limits=limits, key_id=caller_key_id())

    def base(self, request: Request) -> str:
        """The address under which this client reaches us; links begin with it."""
        return (self.settings.public_url or str(request.base_url)).rstrip("/")


def service_of(request: Request) -> Service:
    """The process's service."""
    service: Service = request.app.state.service
    return service


async def account_of() -> str:
    """The account of whoever sent this: the only one whose jobs they see. The gate found it out."""
    return CALLER.get().account


async def caller_of() -> Caller:
    """Whose request this is; the gate found it out."""
    return CALLER.get()


async def operator_of() -> Caller:
    """The caller, for routes that concern the whole pool. Raises Forbidden: no scope `admin`."""
    caller = CALLER.get()
    require(caller, Scope.ADMIN)
    return caller


Account = Annotated[str, Depends(account_of)]
Calling = Annotated[Caller, Depends(caller_of)]
Operator = Annotated[Caller, Depends(operator_of)]
Served = Annotated[Service, Depends(service_of)]
