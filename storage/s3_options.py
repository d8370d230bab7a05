"""Everything that can be set about an S3-compatible store, and the boto3 clients built from it.

The numbers follow a slot's needs: a dead endpoint is noticed in seconds, a slow one is retried, and no slot waits
for a connection of another. boto3 is imported when the first client is made, not before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from storage.errors import Misconfigured
from storage.s3_errors import translated

Checksum = Literal["when_supported", "when_required"]


@dataclass(frozen=True, slots=True)
class S3Options:
    """Address, credentials and limits of one bucket.

    Attributes:
        prefix: put before every key with a slash; empty for the whole bucket.
        endpoint: address of an S3-compatible server; None for Amazon's.
        public_endpoint: address that holders of links see, where it differs from `endpoint`.
        region: None asks the AWS chain, and means `us-east-1` if that names none.
        path_style: bucket in the path, as most S3-compatibles want; None means yes when there is an endpoint.
        checksum: `when_required` for servers that refuse the CRC headers of newer S3 clients.
        access_key_id, secret_access_key, session_token: explicit credentials; without them the standard
            AWS chain (environment, profile, instance role) is asked.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    checksum: Checksum = "when_supported"
    connect_timeout_seconds: float = 3.0
    read_timeout_seconds: float = 20.0
    max_attempts: int = 5
    max_connections: int = 16
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise Misconfigured("access_key_id and secret_access_key go together; one of them is missing.")


def new_client(options: S3Options, endpoint: str | None) -> Any:
    """A boto3 S3 client, safe to share between threads. Raises Misconfigured (bad endpoint, boto3 missing)."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Misconfigured("an S3 store needs boto3.", remedy="pip install 'omni-jobs[server]'") from error
    path_style = options.endpoint is not None if options.path_style is None else options.path_style
    config = Config(
        # Without this, links for some regions are signed the old way, which newer servers refuse.
        signature_version="s3v4",
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": options.max_attempts},
        max_pool_connections=options.max_connections,
        request_checksum_calculation=options.checksum,
        response_checksum_validation=options.checksum,
        s3={"addressing_style": "path" if path_style else "virtual"},
    )
    try:
        with translated(options, "set up"):
            session = boto3.session.Session()
            return session.client(
                "s3",
                endpoint_url=endpoint,
                region_name=options.region or session.region_name or "us-east-1",
                config=config,
                aws_access_key_id=options.access_key_id,
                aws_secret_access_key=options.secret_access_key,
                aws_session_token=options.session_token,
            )
    except ValueError as error:
        raise Misconfigured(f"S3 endpoint {endpoint!r}: {error}.", remedy="Write http(s)://host[:port]") from error
