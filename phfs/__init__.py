"""PHFS: a group's objects of an S3 or MinIO bucket as a directory."""

__version__ = "0.1.0"
