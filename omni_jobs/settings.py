"""The one frozen settings object of each entry point, read once from the environment (`OMNI_...`).

An unknown or malformed value is refused by name; secrets are masked whenever the object is shown.
Models are described in `omni.toml` (see `docs/configuration.md`), not here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from omni_jobs.schemas.access import Limits

PREFIX = "OMNI_"


class Settings(BaseSettings):
    """All settings; the description of each is its documentation."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="URL of job store and broker: redis://, rediss://, or sentinel://host:port,host:port/SERVICE.",
    )
    key_prefix: str = Field("omni", pattern=r"^[a-zA-Z0-9_.-]{1,40}$", description="Prefix of every Redis key.")
    storage_url: str = Field(
        "./.omni/objects", description="A folder, or s3://bucket/prefix?endpoint=...&region=...&path_style=1."
    )
    storage_access_key: SecretStr | None = Field(None, description="S3 access key; the AWS chain if unset.")
    storage_secret_key: SecretStr | None = Field(None, description="S3 secret key.")
    signing_secret: SecretStr | None = Field(
        None,
        description="Signs artifact links of the local store and webhooks without a secret of their own.",
    )
    config: Path | None = Field(None, description="Path of omni.toml, the models' file.")
    data_dir: Path = Field(Path(".omni"), description="Spool, logs, local objects and the embedded Redis.")
    account: str = Field("default", description="Account of producers that connect to Redis directly.")
    api_url: str | None = Field(None, description="Address of the HTTP API for the command line and the client.")
    api_key: SecretStr | None = Field(
        None, description="Key that clients send to the HTTP API, and that the API takes as the operator's own."
    )
    require_keys: bool = Field(
        False, description="Ask for a key on loopback too; anywhere else one is always needed."
    )
    slots: int = Field(16, ge=1, le=1024, description="Jobs in flight per worker.")
    devices: str = Field(
        "", description="Comma list, as cuda:0,cuda:1: an engine on each with every model; else the models' own."
    )
    reserved_slots: int = Field(1, ge=0, description="Slots kept for jobs of priority 8 and 9.")
    upload_threads: int = Field(
        8, ge=1, le=256, description="Threads of a worker that encode outputs and take them to storage."
    )
    upload_spool_bytes: ByteSize = Field(
        ByteSize(8 * 2**30),
        description="Rendered outputs that may wait on disk for storage; beyond it a worker claims nothing.",
    )
    memory_budget_bytes: ByteSize | None = Field(
        None, description="Weights that a worker's models may hold on its device together; 40GiB can be said."
    )
    sleep_budget_bytes: ByteSize | None = Field(
        None, description="Weights that may sleep in host memory; what does not fit is unloaded."
    )
    lease_seconds: float = Field(15.0, ge=0.5, description="A lease not renewed for so long is lost.")
    reconcile_seconds: float = Field(5.0, gt=0, description="Time between two sweeps of the reconciler.")
    max_attempts: int = Field(5, ge=1, le=100, description="Attempts that a job may spend.")
    checkpoint_seconds: float = Field(
        5.0, ge=0, description="Device time in seconds between two checkpoints of a running job; 0 makes none."
    )
    grace_seconds: float = Field(20.0, ge=0, description="Time to hand back what is in flight after SIGTERM.")
    notice_command: str | None = Field(
        None, description="Asked every 2 s by a worker; status 0: this machine will be taken away, so drain."
    )
    max_queued_jobs: int = Field(200_000, ge=1, description="Above this, submits are refused with `queue_full`.")
    requests_per_minute: int | None = Field(
        None,
        ge=0,
        description="Requests by the issued keys of one account, unless it has a limit of its own.",
    )
    queued_jobs_per_account: int | None = Field(None, ge=0, description="Jobs of one account that may be queued.")
    device_seconds_per_day: float | None = Field(
        None, ge=0, description="Device time of one account in a day of UTC; then no more jobs are taken."
    )
    bytes_per_day: int | None = Field(
        None, ge=0, description="Uploads and outputs of one account together in a day of UTC."
    )
    prompt_check: str | None = Field(
        None, description="Qualified name of a function that may refuse jobs before they are taken."
    )
    c2pa_certificate: Path | None = Field(
        None, description="Certificate chain (PEM) with which workers sign every output's C2PA manifest."
    )
    c2pa_key: Path | None = Field(None, description="Private key (PEM, without a password) of that certificate.")
    c2pa_timestamp_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="Timestamp service (RFC 3161) for these signatures, so that they outlive the certificate.",
    )
    max_input_bytes: int = Field(50 * 2**20, ge=1, description="Largest input file.")
    fetch_urls: str = Field(
        "",
        description="Comma list of hosts from which pictures by URL are taken: `name`, `*.name`, `host:port` for "
        "one that is not public, `*` for all that are public; none if empty.",
    )
    fetch_timeout_seconds: float = Field(20.0, gt=0, description="Longest time for one picture by URL.")
    max_input_pixels: int = Field(64_000_000, ge=1, description="Largest input picture, decoded.")
    enhancer_url: str | None = Field(
        None, description="Who rewrites prompts: an OpenAI-compatible address (http://host:8000/v1), or `queue`."
    )
    enhancer_model: str | None = Field(None, description="The model's name at that address.")
    enhancer_key: SecretStr | None = Field(None, description="Key sent to that address.")
    enhancer_timeout_seconds: float = Field(
        20.0, gt=0, le=300, description="After so long a job goes on with its original prompt."
    )
    api_host: str = Field("127.0.0.1", description="Where the HTTP API listens; any but loopback needs a key.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the HTTP API; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="Address at which others reach the API; links in answers and webhooks begin with it.",
    )
    model_aliases: str = Field(
        "", description="Comma list of NAME=MODEL: what clients of other APIs call a model; * is any other name."
    )
    cors_origins: str = Field(
        "",
        description="Comma list of origins whose web pages may use the API, https://shop.example; * for any.",
    )
    link_seconds: int = Field(3600, ge=10, le=604_800, description="Life of a signed link to an artifact.")
    stream_seconds: float = Field(3600.0, gt=0, description="Event streams and long polls end by then.")
    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest JSON body of an HTTP request.")
    webhook_allow: str = Field("", description="Comma list of host:port a webhook may reach though not public.")
    webhook_waits: str = Field(
        "5,300,1800,7200,18000,36000,50400,72000,86400",
        description="Comma list of seconds between the tries of one webhook; after the last it is given up.",
    )
    webhook_timeout_seconds: float = Field(20.0, gt=0, description="Longest time for one try, answer included.")
    webhook_in_flight: int = Field(
        4, ge=1, le=100, description="Webhooks of one account on their way to one host at a time."
    )
    log_format: Literal["json", "console"] = Field("json", description="Structured logs, or for a person.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")

    @property
    def limits(self) -> Limits:
        """What every account may take that has no limits of its own."""
        return Limits(
            requests_per_minute=self.requests_per_minute,
            queued_jobs=self.queued_jobs_per_account,
            device_seconds_per_day=self.device_seconds_per_day,
            bytes_per_day=self.bytes_per_day,
        )


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the environment once, `overrides` (field names) winning.

    Raises:
        Misconfigured: an unknown `OMNI_` variable or a value that does not fit, by name.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known:
            raise Misconfigured(f"{variable} is not a setting.", field=variable, remedy=nearest(variable, known))
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise Misconfigured(f"{name}: {first['msg']}.", field=name) from None
