"""Under which names a server may be asked: a page in a browser can make any name of its own mean this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.requests import Request

from modelyard.core.errors import HostRefused


def is_of_this_machine(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def require_known(request: Request, allowed: Collection[str]) -> None:
    """Raises HostRefused unless the ``Host`` of a request is this machine, or is ``allowed``."""
    given = request.headers.get("host", "")
    name = given.rpartition(":")[0] if given.rpartition(":")[2].isdigit() and not given.endswith("]") else given
    if not is_of_this_machine(name) and name.lower() not in allowed:
        raise HostRefused(host=given[:100])
