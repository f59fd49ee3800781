"""Tests of phfs/provision."""
