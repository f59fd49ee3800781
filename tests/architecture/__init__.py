"""Rules of the code's shape, checked on its source."""
