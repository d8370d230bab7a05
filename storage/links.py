"""Signed links to objects of the local store, made by it and checked by the API route that serves them.

The signature is HMAC-SHA256 over key, expiry, file name and content type, each with its length before it, so
that no two different links sign the same text.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from storage.errors import InvalidArgument, LinkRefused

#: Shorter secrets can be guessed from one link.
MIN_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed link grants: one object, until `expires_at` (Unix seconds), under these headers."""

    key: str
    expires_at: int
    filename: str | None = None
    content_type: str | None = None


def sign(link: Link, secret: bytes) -> str:
    """`key?expires=...&signature=...`, to be put after the address of the route that serves it."""
    query = {"expires": str(link.expires_at)}
    if link.filename is not None:
        query["filename"] = link.filename
    if link.content_type is not None:
        query["type"] = link.content_type
    query["signature"] = _signature(link, secret)
    return f"{quote(link.key)}?{urlencode(query)}"


def verify(key: str, query: Mapping[str, str], secret: bytes, now: float) -> Link:
    """The link that `key` and the decoded `query` of a request make up.

    Raises:
        LinkRefused: a missing, malformed, altered or expired part; the signature is compared in constant time.
    """
    expires = query.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        raise LinkRefused("the link has no expiry.", key=key, remedy="Ask for a new link.")
    link = Link(key, int(expires), query.get("filename"), query.get("type"))
    given = query.get("signature", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, _signature(link, secret).encode("ascii")):
        raise LinkRefused("the link's signature does not match.", key=key, remedy="Ask for a new link.")
    if now >= link.expires_at:
        raise LinkRefused("the link has expired.", key=key, remedy="Ask for a new link.")
    return link


def content_disposition(filename: str) -> str:
    """The header that makes a browser save an answer as `filename` (RFC 6266, UTF-8 by RFC 8187).

    Raises:
        InvalidArgument: empty, over 200 characters, a path, or control characters.
    """
    if not filename or len(filename) > 200 or not filename.isprintable() or set(filename) & set("/\\"):
        raise InvalidArgument(f"filename {filename[:80]!r} is not a plain file name.")
    plain = filename.encode("ascii", "replace").decode("ascii").replace("?", "_").replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _signature(link: Link, secret: bytes) -> str:
    fields = ("GET", link.key, str(link.expires_at), link.filename, link.content_type)
    text = "".join("-" if field is None else f"{len(field)}:{field}" for field in fields)
    return hmac.new(secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
