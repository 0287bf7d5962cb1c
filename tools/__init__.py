"""Commands of maintainers."""
