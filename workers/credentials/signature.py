"""Encoded outputs get a signed C2PA manifest, on the threads that encode them. The service and bulk runs open it.

An operator who gives a certificate promises that outputs are signed: what cannot be signed now is not stored, and
is tried again, as when storage does not answer.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from omni_jobs.errors import Misconfigured, Unavailable, UploadFailed
from omni_jobs.schemas import JobRequest
from omni_jobs.settings import Settings
from workers.credentials.manifest import manifest_of
from workers.media import Encoded

#: A finished file of a job, as it is to be stored. Several threads call it at a time; raises as `Signature` does.
Sign = Callable[[Encoded, JobRequest], Encoded]
#: Formats that cannot carry a manifest: they are stored as they are.
UNSIGNED = frozenset({"application/safetensors"})
#: A thumbnail would hold the picture once more; trust is a question for who reads the file.
OPTIONS = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": True}}


def open_signature(settings: Settings) -> Sign:
    """How this deployment's outputs are signed, tried on a small picture; files stay as they are without settings.

    Raises:
        Misconfigured: a setting is missing or of no use, or the package is not there.
        Unavailable: the timestamp service does not answer as one.
    """
    certificate, key, timestamps = settings.c2pa_certificate, settings.c2pa_key, settings.c2pa_timestamp_url
    if certificate is None and key is None and timestamps is None:
        return lambda encoded, _job: encoded
    if certificate is None or key is None:
        missing = "c2pa_certificate" if certificate is None else "c2pa_key"
        raise Misconfigured(
            f"OMNI_{missing.upper()} is not set, but other settings of C2PA are.",
            field=missing,
            remedy="Give OMNI_C2PA_CERTIFICATE and OMNI_C2PA_KEY, or none of them.",
        )
    signature = _opened(certificate, key, None)
    try:
        signature(*_sample())
    except (Unavailable, UploadFailed) as error:
        raise Misconfigured(
            f"OMNI_C2PA_CERTIFICATE: nothing can be signed with {certificate}: {error.message}.",
            field="c2pa_certificate",
            value=str(certificate),
            remedy="C2PA asks for a valid certificate, issued by another, with the extended key usage "
            "emailProtection or documentSigning; the file holds its issuers, too.",
        ) from error
    if timestamps is None:
        return signature
    signature = _opened(certificate, key, timestamps)
    try:
        signature(*_sample())
    except Unavailable as error:
        raise Unavailable(
            f"OMNI_C2PA_TIMESTAMP_URL: no timestamp from {timestamps}: {error.message}.",
            field="c2pa_timestamp_url",
            value=timestamps,
            remedy="Give the address of a timestamp service (RFC 3161), or none.",
        ) from error
    return signature


class Signature:
    """Signs with one identity. Calls may come from several threads."""

    def __init__(self, c2pa: Any, signer: Any) -> None:
        self._c2pa = c2pa
        self._signer = signer
        self._context = c2pa.Context.from_dict(OPTIONS)

    def __call__(self, encoded: Encoded, job: JobRequest) -> Encoded:
        """The same file with a manifest.

        Raises:
            Unavailable: nothing can be signed now. UploadFailed: this file cannot be.
        """
        if encoded.content_type in UNSIGNED:
            return encoded
        signed = io.BytesIO()
        try:
            with self._c2pa.Builder(manifest_of(job), context=self._context) as builder:
                builder.sign(self._signer, encoded.content_type, io.BytesIO(encoded.content), signed)
        except self._c2pa.C2paError.Signature as error:
            raise Unavailable(f"C2PA: {error}") from error
        except self._c2pa.C2paError as error:
            raise UploadFailed(f"The output cannot be signed. C2PA: {error}") from error
        return replace(encoded, content=signed.getvalue())


def _opened(certificate: Path, key: Path, timestamps: str | None) -> Signature:
    try:
        import c2pa

        from workers.credentials.identity import read_identity
    except ImportError as error:
        raise Misconfigured(
            f"OMNI_C2PA_CERTIFICATE: C2PA's library cannot be imported: {error}.",
            field="c2pa_certificate",
            value=str(certificate),
            remedy="Install omni-jobs[c2pa].",
        ) from error
    identity = read_identity(certificate, key)
    facts = c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, timestamps)
    try:
        return Signature(c2pa, c2pa.Signer.from_info(facts))
    except c2pa.C2paError as error:
        raise Misconfigured(
            f"OMNI_C2PA_CERTIFICATE: C2PA refuses {certificate}: {error}.",
            field="c2pa_certificate",
            value=str(certificate),
            remedy="Give a certificate that C2PA allows, and its key.",
        ) from error


def _sample() -> tuple[Encoded, JobRequest]:
    """Something to try a signature on."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return Encoded(buffer.getvalue(), "image/png", "png", 8, 8), JobRequest(model="trial", prompt="trial")
