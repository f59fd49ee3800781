"""Tests of what a Jupyter server runs that need no server and no mount."""
