"""The operator's certificate chain and private key, read from their files and compared, for `signature.py`.

Errors name the setting and the path, never what the files hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from omni_jobs.errors import Misconfigured

#: C2PA's algorithm by the curve of the key.
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Identity:
    """What signs: C2PA's name of the algorithm, the chain in PEM, the key in PEM (PKCS #8)."""

    algorithm: str
    chain: bytes
    key: bytes = field(repr=False)


def read_identity(certificate: Path, key: Path) -> Identity:
    """The chain and the key that belongs to its first certificate.

    Raises:
        Misconfigured: a file cannot be read or is something else, or the two do not belong together.
    """
    chain = _read(certificate, "c2pa_certificate")
    try:
        first = x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise _refused(
            "c2pa_certificate", certificate, "holds no certificate", "Give a chain in PEM, the signer's first."
        ) from None
    private = _private_key(key)
    algorithm = _algorithm(private, key)
    if _public(private.public_key()) != _public(first.public_key()):
        raise _refused(
            "c2pa_key",
            key,
            f"is not the key of the first certificate in {certificate}",
            "Give the key that this certificate was issued for, and put its certificate before its issuers'.",
        )
    # C2PA's library reads no other form.
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(algorithm, chain, pem)


def _private_key(path: Path) -> Any:
    content = _read(path, "c2pa_key")
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise _refused("c2pa_key", path, "is encrypted", "Give it without a password.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refused("c2pa_key", path, "holds no private key", "Give a private key in PEM.") from None


def _algorithm(key: Any, path: Path) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    kinds = "Use one of RSA, Ed25519, or elliptic curve P-256, P-384, P-521."
    raise _refused("c2pa_key", path, "is of a kind that C2PA does not take", kinds)


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(
            name, path, f"cannot be read ({error.strerror})", "Check the path and its rights."
        ) from None


def _refused(name: str, path: Path, what: str, remedy: str) -> Misconfigured:
    return Misconfigured(f"OMNI_{name.upper()}: {path} {what}.", field=name, value=str(path), remedy=remedy)
