"""What the routes work with: one object per API process, and whose request it is."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security.utils import get_authorization_scheme_param

from omni_jobs.api.edge import Traffic
from omni_jobs.api.estimates import Estimates
from omni_jobs.api.readiness import Readiness
from omni_jobs.errors import Forbidden, Misconfigured, Unauthorized
from omni_jobs.object_links import Links
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

    def base(self, request: Request) -> str:
        """The address under which this client reaches us; links begin with it."""
        return (self.settings.public_url or str(request.base_url)).rstrip("/")


def service_of(request: Request) -> Service:
    """The process's service."""
    service: Service = request.app.state.service
    return service


def account_of(request: Request) -> str:
    """The account of whoever sent this.

    Raises:
        Unauthorized: a key is needed and this is not it. Forbidden: without keys, another name than loopback.
    """
    settings = service_of(request).settings
    if settings.api_key is None:
        # A page of a stranger could make a browser send requests to loopback under the stranger's own name.
        if not is_loopback(request.url.hostname or ""):
            raise Forbidden(
                f"This server has no key and is not reached as {request.url.hostname!r}.",
                field="host",
                remedy="Use 127.0.0.1, or set OMNI_API_KEY.",
            )
        return settings.account
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        key.encode(), settings.api_key.get_secret_value().encode()
    ):
        raise Unauthorized(
            "The key is missing or wrong.", field="authorization", remedy="Send `Authorization: Bearer <key>`."
        )
    return settings.account


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(settings: Settings) -> None:
    """Refuses to be reachable from outside without a key. Raises Misconfigured."""
    if settings.api_key is None and not is_loopback(settings.api_host):
        raise Misconfigured(
            f"The API would listen on {settings.api_host} without a key.",
            field="api_key",
            remedy="Set OMNI_API_KEY, or listen on 127.0.0.1.",
        )


Account = Annotated[str, Depends(account_of)]
Served = Annotated[Service, Depends(service_of)]
