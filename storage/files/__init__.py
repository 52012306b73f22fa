"""Where files are kept: a directory, or a bucket of an S3-compatible store."""

from storage.files.directory import DirectoryStore
from storage.files.s3 import Bucket, S3Store

__all__ = ["Bucket", "DirectoryStore", "S3Store"]
