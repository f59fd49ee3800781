"""``phfs://`` for fsspec, and so for pandas, pyarrow, dask and whatever else opens URLs with it.

``paths`` says which URLs there are, ``places`` where a program's files are reached: ``mounted`` is
the directory of a mount, ``objects`` is s3fs, whose ``requests`` are kept inside a group's prefix,
with ``keys`` that follow their source, made once by ``reuse``. ``refusals`` makes of an error of
PHFS one of the system's. Found by fsspec through the entry point ``fsspec.specs``; imports neither
s3fs nor botocore before they are used. Imported by no other part.
"""

from phfs.fsspec.filesystem import PhfsFileSystem

__all__ = ["PhfsFileSystem"]
