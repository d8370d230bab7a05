"""Object stores behind one contract: a folder on disk, or a bucket of anything that speaks S3.

A leaf: it imports neither `omni_jobs` nor `workers`, and boto3 only when an S3 store is opened.
"""

from storage.base import ListedObject, ObjectInfo, ObjectStore
from storage.errors import StorageError
from storage.local import LocalStore
from storage.s3 import S3Store
from storage.s3_options import S3Options
from storage.urls import open_store

__all__ = [
    "ListedObject",
    "LocalStore",
    "ObjectInfo",
    "ObjectStore",
    "S3Options",
    "S3Store",
    "StorageError",
    "open_store",
]
