"""Signatures by Standard Webhooks 1.0.0, scheme `v1`: HMAC-SHA256 over id, time and the exact bytes of the body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from omni_jobs.errors import Forbidden, Misconfigured

PREFIX = "whsec_"
#: How far a message's time may lie from the receiver's clock.
TOLERANCE_SECONDS = 300


def new_secret() -> str:
    """A secret as receivers configure it: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(message_id: str, at_seconds: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The three headers. Several secrets give several signatures, so that a receiver may change its own.

    Raises:
        Misconfigured: a secret is not base64.
    """
    signatures = " ".join(_signature(message_id, str(at_seconds), body, key_of(key)) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": signatures,
    }


def verify(body: bytes, headers: Mapping[str, str], secret: str, *, now: float | None = None) -> Any:
    """The JSON of a message that is genuine and fresh; for receivers that do not use the public package.

    Raises:
        Forbidden: a header is missing, the message is too old or too new, or no signature matches.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, at = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split(" ")
        age = (time.time() if now is None else now) - int(at)
    except (KeyError, ValueError) as error:
        raise Forbidden(f"The webhook lacks a valid header: {error}.") from None
    if abs(age) > TOLERANCE_SECONDS:
        raise Forbidden(f"The webhook was sent {age:.0f} s ago; at most {TOLERANCE_SECONDS} are allowed.")
    expected = _signature(message_id, at, body, key_of(secret)).encode()
    if not any(hmac.compare_digest(expected, one.encode()) for one in signatures):
        raise Forbidden("No signature of the webhook matches the secret.")
    return json.loads(body)


def key_of(secret: str) -> bytes:
    """The key in a `whsec_` secret. Raises Misconfigured."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise Misconfigured(
            "A webhook secret is not base64.", remedy="Use `whsec_` followed by base64 of 24 to 64 bytes."
        ) from error


def _signature(message_id: str, at: str, body: bytes, key: bytes) -> str:
    signed = b".".join((message_id.encode(), at.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
