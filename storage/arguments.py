"""What every store accepts as key, metadata and expiry, so that a key valid on one store is valid on all.

The alphabet is narrow on purpose: such keys need no escaping in a URL, in XML, in a header or on a disk, and
leave `~` to the local store for its own file names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from storage.errors import InvalidArgument, InvalidKey

#: S3 allows 1024 bytes; the difference is left to a store's prefix.
MAX_KEY_BYTES = 900
#: A file name may have 255 bytes; the difference is left to the local store's suffixes.
MAX_PART_BYTES = 200
#: S3 allows 2 KB for names and values together; the difference is left to our digest.
MAX_METADATA_BYTES = 1900
#: The longest life of a signature of AWS version 4.
MAX_EXPIRES_SECONDS = 7 * 24 * 3600

SHA256_METADATA = "sha256"

_FOREIGN = re.compile(r"[^A-Za-z0-9._=+,@:/-]")
_METADATA_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_HEADER_TEXT = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_key(key: str) -> tuple[str, ...]:
    """The parts of `key` between slashes.

    Raises:
        InvalidKey: empty, too long, a part that is empty, `.` or `..`, or a character outside
            `A-Z a-z 0-9 . _ = + , @ : -`.
    """
    shown = repr(key if len(key) <= 80 else key[:80] + "...")
    foreign = _FOREIGN.search(key)
    if foreign is not None:
        raise InvalidKey(
            f"key {shown} holds {foreign.group()!r}.", remedy="Use letters, digits and . _ = + , @ : - /"
        )
    if len(key) > MAX_KEY_BYTES:
        raise InvalidKey(f"key {shown} has {len(key)} bytes.", remedy=f"Use at most {MAX_KEY_BYTES}.")
    parts = tuple(key.split("/"))
    for part in parts:
        if part in {"", ".", ".."}:
            raise InvalidKey(f"key {shown} has the part {part!r}.", remedy="Name every part; no '.', no '..'.")
        if len(part) > MAX_PART_BYTES:
            raise InvalidKey(
                f"key {shown} has a part of {len(part)} bytes.", remedy=f"Use at most {MAX_PART_BYTES} a part."
            )
    return parts


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """A copy of `metadata`, fit to travel as HTTP headers.

    Raises:
        InvalidArgument: a name that is not lower-case letters, digits and inner hyphens, or is `sha256`
            (ours); a value that is not printable ASCII without outer spaces; more than 1900 bytes in all.
    """
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name) or name == SHA256_METADATA:
            raise InvalidArgument(
                f"metadata name {name!r} is not allowed.",
                remedy=f"Use a-z, 0-9 and inner hyphens; {SHA256_METADATA!r} is taken.",
            )
        if not _HEADER_TEXT.fullmatch(value):
            raise InvalidArgument(
                f"metadata {name!r} is empty, not printable ASCII or has outer spaces.",
                remedy="Keep free text in the job record.",
            )
    size_bytes = sum(len(name) + len(value) for name, value in metadata.items())
    if size_bytes > MAX_METADATA_BYTES:
        raise InvalidArgument(
            f"metadata has {size_bytes} bytes.", remedy=f"Keep it under {MAX_METADATA_BYTES} in all."
        )
    return dict(metadata)


def check_header(field: str, value: str) -> str:
    """`value` if it can be the value of an HTTP header, else InvalidArgument naming `field`."""
    if not _HEADER_TEXT.fullmatch(value):
        raise InvalidArgument(f"{field} {value[:80]!r} is not one line of printable ASCII.")
    return value


def check_digest(sha256: str) -> str:
    """`sha256` if it is 64 lower-case hexadecimal digits, else InvalidArgument."""
    if not _DIGEST.fullmatch(sha256):
        raise InvalidArgument(f"sha256 {sha256[:80]!r} is not 64 lower-case hexadecimal digits.")
    return sha256


def check_expiry(expires_seconds: int) -> int:
    """`expires_seconds` if a link may live that long (1 second to 7 days), else InvalidArgument."""
    if not 1 <= expires_seconds <= MAX_EXPIRES_SECONDS:
        raise InvalidArgument(f"expires_seconds is {expires_seconds}; it must be 1 to {MAX_EXPIRES_SECONDS}.")
    return expires_seconds
