"""Versions of a yard in one file, for where no network goes. Format: ``docs/formats/bundle.md``."""
