"""Manifests: files of many jobs, read line by line. `open_manifest(path).entries()` gives lines and problems."""

from omni_jobs.bulk.manifest.line import Line, Problem, Repeat, line_of
from omni_jobs.bulk.manifest.manifest import Entry, Manifest, open_manifest
from omni_jobs.bulk.manifest.requests import BatchRequest, read_requests

__all__ = [
    "BatchRequest",
    "Entry",
    "Line",
    "Manifest",
    "Problem",
    "Repeat",
    "line_of",
    "open_manifest",
    "read_requests",
]
