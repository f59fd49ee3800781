"""Measures a mount beside the SDK without a mount, in one run, as ratios."""
