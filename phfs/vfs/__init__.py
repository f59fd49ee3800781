"""The file system in its own words: trio, no FUSE, no SDK."""
