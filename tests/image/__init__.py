"""The container image: its recipe, and the image itself."""
