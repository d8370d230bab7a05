"""What the routes work with: one object per API process, and whose request it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from omni_jobs.api.access import require
from omni_jobs.api.edge import Traffic
from omni_jobs.api.estimates import Estimates
from omni_jobs.api.faces.catalogue import parse_aliases
from omni_jobs.api.gate import CALLER
from omni_jobs.api.readiness import Readiness
from omni_jobs.object_links import Links
from omni_jobs.schemas.access import Caller, Scope
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore
from storage import ObjectStore


@dataclass
class Service:
    """Everything that one API process owns."""

    settings: Settings
    store: JobStore
    objects: ObjectStore
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        self.links = Links(self.objects, self.settings.link_seconds)
        self.readiness = Readiness(self.store)
        self.estimates = Estimates(self.store)
        self.aliases = parse_aliases(self.settings.model_aliases)

    def base(self, request: Request) -> str:
        """The address under which this client reaches us; links begin with it."""
        return (self.settings.public_url or str(request.base_url)).rstrip("/")


def service_of(request: Request) -> Service:
    """The process's service."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Whose request this is; the gate found it out."""
    caller: Caller = request.scope[CALLER]
    return caller


def account_of(request: Request) -> str:
    """The account of whoever sent this: the only one whose jobs they see."""
    return caller_of(request).account


def operator_of(request: Request) -> Caller:
    """The caller, for routes that concern the whole pool. Raises Forbidden: no scope `admin`."""
    caller = caller_of(request)
    require(caller, Scope.ADMIN)
    return caller


Account = Annotated[str, Depends(account_of)]
Operator = Annotated[Caller, Depends(operator_of)]
Served = Annotated[Service, Depends(service_of)]
