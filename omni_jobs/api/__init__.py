"""The HTTP face of the service: thin routes over `queue` and the store. `python -m omni_jobs.api` serves it."""

from omni_jobs.api.app import create_app

__all__ = ["create_app"]
