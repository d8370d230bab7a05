"""Puts what botocore raises into this package's words: by S3's error code, or by the class of failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage.errors import (
    AccessDenied,
    AlreadyExists,
    ChecksumMismatch,
    InvalidArgument,
    InvalidKey,
    Misconfigured,
    NotFound,
    StorageError,
    StorageFull,
    Unreachable,
    Unsupported,
)

_CODES: dict[type[StorageError], str] = {
    NotFound: "NoSuchKey NoSuchUpload NotFound 404",
    AlreadyExists: "PreconditionFailed 412",
    AccessDenied: "AccessDenied AllAccessDisabled InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken "
    "InvalidToken TokenRefreshRequired Forbidden 401 403",
    Misconfigured: "NoSuchBucket InvalidBucketName PermanentRedirect AuthorizationHeaderMalformed "
    "RequestTimeTooSkewed IllegalLocationConstraintException 301 307",
    ChecksumMismatch: "BadDigest InvalidDigest XAmzContentSHA256Mismatch IncompleteBody",
    StorageFull: "QuotaExceeded InsufficientStorage XMinioStorageFull 507",
    InvalidKey: "KeyTooLongError",
    InvalidArgument: "EntityTooLarge EntityTooSmall MetadataTooLarge InvalidRequest InvalidArgument 400 413",
    Unsupported: "NotImplemented MethodNotAllowed 405 501",
    Unreachable: "InternalError ServiceUnavailable SlowDown RequestTimeout RequestTimeoutException Throttling "
    "ThrottlingException RequestLimitExceeded BandwidthLimitExceeded ConditionalRequestConflict "
    "OperationAborted 408 409 429",
}
_ERROR_OF_CODE = {code: kind for kind, codes in _CODES.items() for code in codes.split()}

#: Classes of `botocore.exceptions`; the nearest one on an error's line of inheritance decides.
_ERROR_OF_CLASS: dict[str, type[StorageError]] = {
    "NoCredentialsError": Misconfigured,
    "PartialCredentialsError": Misconfigured,
    "CredentialRetrievalError": Misconfigured,
    "TokenRetrievalError": Misconfigured,
    "ProfileNotFound": Misconfigured,
    "SSLError": Misconfigured,
    "ParamValidationError": InvalidArgument,
    "FlexibleChecksumError": ChecksumMismatch,
    "IncompleteReadError": Unreachable,
    "HTTPClientError": Unreachable,
    "ConnectionError": Unreachable,
    "BotoCoreError": Misconfigured,
}

_REMEDIES: dict[type[StorageError], str] = {
    AccessDenied: "Check access key, secret, the bucket's policy and the server's clock.",
    Misconfigured: "Check endpoint, region, bucket and credentials.",
    Unreachable: "Check that the endpoint is up and reachable from here; trying again may help.",
}


@contextmanager
def translated(store: object, action: str, key: str | None = None) -> Iterator[None]:
    """Runs S3 calls; raises our error, naming store, action, key and what S3 said, and never a credential."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _of_answer(error.response, store, action, key) from error
    except BotoCoreError as error:
        names = (base.__name__ for base in type(error).__mro__)
        kind = next(_ERROR_OF_CLASS[name] for name in names if name in _ERROR_OF_CLASS)
        raise _error(kind, f"{type(error).__name__}: {error}", store, action, key) from error


def of_code(code: str, message: str, store: object, action: str, key: str | None) -> StorageError:
    """The error for a code inside an answer that succeeded as a whole (`DeleteObjects`)."""
    return _error(_ERROR_OF_CODE.get(code, Unreachable), f"{code}: {message}", store, action, key)


def _of_answer(response: Any, store: object, action: str, key: str | None) -> StorageError:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _ERROR_OF_CODE.get(code) or _ERROR_OF_CODE.get(str(status))
    if kind is None:
        kind = InvalidArgument if 400 <= status < 500 else Unreachable
    return _error(kind, f"{code or status} {details.get('Message', '')}".strip(), store, action, key)


def _error(kind: type[StorageError], said: str, store: object, action: str, key: str | None) -> StorageError:
    subject = f"{store!r} {action}" if key is None else f"{store!r} {action} {key!r}"
    return kind(f"{subject}: {said.rstrip('.')}.", key=key, remedy=_REMEDIES.get(kind))
