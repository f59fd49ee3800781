"""The store port, its implementations and its wrappers."""
