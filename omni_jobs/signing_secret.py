"""The secret behind artifact links and webhook signatures, the same in every process of a deployment.

It comes from the settings, else from a file of its own in the data folder, made by whichever process comes first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from omni_jobs.errors import Misconfigured
from omni_jobs.settings import Settings

FILE_NAME = "signing_secret"
#: Standard Webhooks asks for 24 to 64 bytes; shorter secrets could be guessed from one signature.
MIN_BYTES = 24
WEBHOOK_PREFIX = "whsec_"


def signing_secret(settings: Settings) -> bytes:
    """The deployment's secret.

    Raises:
        Misconfigured: too short, or the data folder cannot be written.
    """
    if settings.signing_secret is not None:
        return _checked(settings.signing_secret.get_secret_value().encode(), "signing_secret")
    path = settings.data_dir / FILE_NAME
    try:
        return _checked(_read_or_make(path), str(path))
    except OSError as error:
        raise Misconfigured(
            f"The signing secret cannot be kept in {path}: {error.strerror}.",
            field="signing_secret",
            remedy="Set OMNI_SIGNING_SECRET, the same for API and courier.",
        ) from error


def webhook_secret(settings: Settings) -> str:
    """The service's webhook secret in the form that receivers configure, `whsec_` and base64.

    A signing secret that has this form already is used as it is; from any other one a key is derived, so that a
    receiver, who must know it, cannot sign artifact links.
    """
    if settings.signing_secret is not None:
        given = settings.signing_secret.get_secret_value()
        if given.startswith(WEBHOOK_PREFIX):
            return given
    derived = hmac.digest(signing_secret(settings), b"omni-jobs webhooks v1", hashlib.sha256)
    return WEBHOOK_PREFIX + base64.b64encode(derived).decode()


def _checked(secret: bytes, where: str) -> bytes:
    if len(secret) < MIN_BYTES:
        raise Misconfigured(
            f"{where} has {len(secret)} bytes, at least {MIN_BYTES} are needed.",
            field="signing_secret",
            remedy="Set OMNI_SIGNING_SECRET to the output of `openssl rand -base64 32`.",
        )
    return secret


def _read_or_make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Linked into place when it is whole, so that a process that comes second never reads half of it.
        draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, base64.b64encode(secrets.token_bytes(32)))
            os.fsync(file)
        finally:
            os.close(file)
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes().strip()
