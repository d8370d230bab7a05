"""An S3 server for `--s3`: moto, in memory, in a child process `python -m omni_jobs.demo.s3`."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omni_jobs.demo.child import started
from omni_jobs.errors import Misconfigured
from omni_jobs.lifeline import end_with_input

BUCKET = "omni-demo"
KEY = "demo"


@contextmanager
def s3_settings(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a service that stores on a fresh S3 server, which ends with the block.

    Raises:
        Misconfigured: moto is not installed.
    """
    if importlib.util.find_spec("moto") is None:
        raise Misconfigured("--s3 needs moto.", field="s3", remedy="pip install 'moto[server]'")
    with started("moto", ["omni_jobs.demo.s3"], os.environ, folder / "s3.log") as (_, endpoint):
        _make_bucket(endpoint)
        yield {
            "OMNI_STORAGE_URL": f"s3://{BUCKET}/demo?endpoint={endpoint}&region=us-east-1&path_style=1",
            "OMNI_STORAGE_ACCESS_KEY": KEY,
            "OMNI_STORAGE_SECRET_KEY": KEY,
        }


def _make_bucket(endpoint: str) -> None:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=KEY, region_name="us-east-1"
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()


def main() -> None:
    """Serve until standard input closes."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    threading.Thread(target=end_with_input, name="input", daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201 - the address is the answer
    server.serve_forever()


if __name__ == "__main__":
    main()
