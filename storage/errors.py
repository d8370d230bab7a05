"""Every failure of an object store, in the store's own words; callers translate them at their edge.

StorageError
├── InvalidArgument       metadata, expiry, digest or option that no store accepts
│   └── InvalidKey        a key outside the alphabet, too long, or leading out of the root
├── NotFound              no object under this key
├── AlreadyExists         `if_absent`, and other bytes are there
├── AccessDenied          credentials refused, or not allowed to do this
│   └── LinkRefused       a signed link that is expired, altered or incomplete
├── Misconfigured         bucket, endpoint, folder or credentials are wrong: only a person can help
├── Unsupported           this store does not implement the operation
├── ChecksumMismatch      (retryable) the bytes are not the ones that were announced
├── StorageFull           (retryable) no room left
└── Unreachable           (retryable) no answer, a time-out, or "slow down"
"""

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """Base of all errors of the package. `retryable` says whether the same call may succeed later."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, key: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message} {remedy}")
        self.message = message
        self.key = key
        self.remedy = remedy


class InvalidArgument(StorageError):
    """An argument that can never work; the message names it and the accepted form."""


class InvalidKey(InvalidArgument):
    """The key is outside the alphabet, too long, or leads out of the store."""


class NotFound(StorageError):
    """No object has this key."""


class AlreadyExists(StorageError):
    """The key was to be absent and holds other bytes."""


class AccessDenied(StorageError):
    """The store knows us not, or does not let us do this."""


class LinkRefused(AccessDenied):
    """A signed link is expired, altered or incomplete."""


class Misconfigured(StorageError):
    """The address, bucket, folder or credentials are wrong; the remedy says what to set."""


class Unsupported(StorageError):
    """The store does not implement this operation."""


class ChecksumMismatch(StorageError):
    """The bytes differ from the announced digest or size; sending or reading them again may help."""

    retryable = True


class StorageFull(StorageError):
    """The disk, quota or bucket has no room left."""

    retryable = True


class Unreachable(StorageError):
    """The store did not answer, answered too late, or asked to slow down."""

    retryable = True
