"""Tests of the commands, without a kernel mount."""
