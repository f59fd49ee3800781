"""The only place that knows pyfuse3 and errno."""
