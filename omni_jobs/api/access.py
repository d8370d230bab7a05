"""Whose request this is: the key in its headers, whether one is needed at all, and what its scopes allow."""

from __future__ import annotations

import hmac
import ipaddress
from contextvars import ContextVar
from datetime import UTC, datetime

from starlette.requests import Request

from omni_jobs.errors import Forbidden, Misconfigured, Unauthorized
from omni_jobs.schemas.access import Caller, Scope, key_id_of
from omni_jobs.settings import Settings
from omni_jobs.store import JobStore, connect

#: How clients send a key in `Authorization`: ours and OpenAI's, Replicate's, fal's.
SCHEMES = frozenset({"bearer", "token", "key"})
#: Methods that change nothing; all others need the scope `submit`.
READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: Paths that concern the whole pool and have a scope of their own, so that who watches it needs no other.
SCOPES = {"/metrics": Scope.METRICS}
EVERYTHING = frozenset(Scope)
#: Who asks, for whatever runs on behalf of this request: the gate sets it, and no face has to pass it on.
CALLER: ContextVar[Caller] = ContextVar("caller")


def identify(request: Request, settings: Settings, store: JobStore) -> Caller:
    """The caller, whose scopes allow the request. Asks Redis only for issued keys.

    Raises:
        Unauthorized: no key where one is needed, or a wrong, revoked or expired one.
        Forbidden: without keys, a name other than loopback; with one, its scopes.
        RateLimited: the account or the key asks too often.
    """
    key = credential(request.headers.get("authorization"))
    if needs_key(settings) or (key is not None and key_id_of(key)):
        caller = _keyed(key, settings, store)
    else:
        _check_name(request.url.hostname or "")
        caller = Caller(settings.account, EVERYTHING)
    by_method = Scope.READ if request.method in READING else Scope.SUBMIT
    require(caller, SCOPES.get(request.url.path, by_method))
    return caller


def caller_key_id() -> str | None:
    """The key to whose usage this counts; None for the operator's own, and for work that no request asked for."""
    caller = CALLER.get(None)
    return None if caller is None else caller.key_id


def require(caller: Caller, scope: Scope) -> None:
    """Refuses a caller who lacks a scope. Raises Forbidden."""
    if not caller.may(scope):
        raise Forbidden(
            f"The key {caller.key_id} has no scope `{scope}`.",
            field="authorization",
            remedy=f"Use a key made with `omni-jobs keys create --scope {scope}`.",
        )


def credential(header: str | None) -> str | None:
    """The key in an `Authorization` header, if it has a form that we know."""
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() in SCHEMES else None


def needs_key(settings: Settings) -> bool:
    """Whether every request needs a key: one is set, they are asked for, or others than this machine reach us."""
    return settings.require_keys or settings.api_key is not None or not is_loopback(settings.api_host)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(settings: Settings) -> None:
    """Refuses to listen where others reach us while no key exists with which they could. Raises Misconfigured."""
    if is_loopback(settings.api_host) or settings.api_key is not None:
        return
    store = connect(settings)
    try:
        is_keyed = any(key.state(datetime.now(UTC)) == "live" for key in store.issued_keys())
    finally:
        store.close()
    if not is_keyed:
        raise Misconfigured(
            f"The API would listen on {settings.api_host} without a key.",
            field="api_key",
            remedy="Make one with `omni-jobs keys create`, set OMNI_API_KEY, or listen on 127.0.0.1.",
        )


def _keyed(key: str | None, settings: Settings, store: JobStore) -> Caller:
    if key is None:
        raise Unauthorized(
            "The key is missing.", field="authorization", remedy="Send `Authorization: Bearer <key>`."
        )
    own = settings.api_key
    if own is not None and hmac.compare_digest(key.encode(), own.get_secret_value().encode()):
        return Caller(settings.account, EVERYTHING)
    return store.admit(key, settings.limits)


def _check_name(host: str) -> None:
    # A page of a stranger could make a browser send requests to loopback under the stranger's own name.
    if not is_loopback(host):
        raise Forbidden(
            f"This server has no key and is not reached as {host!r}.",
            field="host",
            remedy="Use 127.0.0.1, or set OMNI_API_KEY.",
        )
