"""Certificate chains for tests of signatures: an authority, and a signer that it has certified for C2PA."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS: dict[str, Callable[[], Any]] = {
    "Es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "Es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ps256": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Files(NamedTuple):
    """An operator's two files, and the authority that readers may trust, in PEM."""

    certificate: Path
    key: Path
    authority: str


def write_identity(
    folder: Path,
    algorithm: str = "Es256",
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    lasts: timedelta = timedelta(days=1),
) -> Files:
    """A chain and its key. The key has the form that `openssl ecparam -genkey` writes, where there is one."""
    signer, authority = KEYS[algorithm](), ec.generate_private_key(ec.SECP256R1())
    root = certified(authority.public_key(), "Authority", authority)
    first = certified(signer.public_key(), "Signer", authority, usage, lasts)
    files = Files(folder / "chain.pem", folder / "key.pem", pem(root))
    files.certificate.write_text(pem(first) + pem(root))
    form = PrivateFormat.PKCS8 if algorithm == "Ed25519" else PrivateFormat.TraditionalOpenSSL
    files.key.write_bytes(signer.private_bytes(Encoding.PEM, form, NoEncryption()))
    return files


def validated(content_type: str, content: bytes, files: Files) -> str:
    """What C2PA's own reader says of a file if it trusts the authority: Trusted, Valid or Invalid."""
    with reader(content_type, content, files) as found:
        return str(found.get_validation_state())


def reader(content_type: str, content: bytes, files: Files) -> Any:
    """C2PA's own reader of a signed file, which trusts the authority."""
    context = c2pa.Context.from_dict({"trust": {"trust_anchors": files.authority}})
    return c2pa.Reader(content_type, io.BytesIO(content), context=context)


def certified(
    key: Any,
    name: str,
    issuer: Any,
    usage: x509.ObjectIdentifier | None = None,
    lasts: timedelta = timedelta(days=1),
) -> x509.Certificate:
    """A certificate for the key, from two days ago to so long from now; without a usage, that of an authority."""
    now, is_authority = datetime.now(UTC), usage is None
    usages = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    ) | {"encipher_only": False, "decipher_only": False}
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("Authority"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **usages
            ),
            critical=True,
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(issuer, hashes.SHA256())


def named(name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A test")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
