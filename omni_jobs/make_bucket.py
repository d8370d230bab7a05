"""`python -m omni_jobs.make_bucket`: makes the bucket that OMNI_STORAGE_URL names, on a new S3-compatible server.

Run once before the first start, by docker-compose.yml. A bucket that is there is a success, so is a folder.
"""

from __future__ import annotations

import sys
from urllib.parse import parse_qs, urlsplit

import click

from omni_jobs.errors import OmniJobsError
from omni_jobs.object_links import open_objects
from omni_jobs.settings import Settings, load_settings

EXIT_MISCONFIGURED = 78
THERE_ALREADY = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


@click.command(help="Make the bucket that OMNI_STORAGE_URL names, unless it is there.")
def main() -> None:
    """Entry point."""
    try:
        settings = load_settings()
        make_bucket(settings)
        with open_objects(settings) as objects:
            objects.check()
    except OmniJobsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_MISCONFIGURED)
    click.echo(f"{settings.storage_url.partition('?')[0]} takes objects")


def make_bucket(settings: Settings) -> None:
    """Creates the bucket; does nothing for a folder."""
    from botocore.exceptions import ClientError

    from storage.s3_options import S3Options, new_client

    parts = urlsplit(settings.storage_url)
    if parts.scheme != "s3":
        return
    given = {name: values[0] for name, values in parse_qs(parts.query).items()}
    keys = settings.storage_access_key, settings.storage_secret_key
    access, secret = (key.get_secret_value() if key else None for key in keys)
    options = S3Options(
        parts.netloc, region=given.get("region"), access_key_id=access, secret_access_key=secret, path_style=True
    )
    client = new_client(options, given.get("endpoint"))
    try:
        client.create_bucket(Bucket=parts.netloc)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE_ALREADY:
            raise
    finally:
        client.close()


if __name__ == "__main__":
    main()
