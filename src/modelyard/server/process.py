"""A server process: where it listens, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection

from modelyard.client.workspace import Workspace
from modelyard.core.errors import AddressRefused
from modelyard.server.app import create_app
from modelyard.server.hosts import is_of_this_machine
from modelyard.serving.listener import Listener


def serve(
    workspace: Workspace, host: str, port: int, *, ready: Callable[[str], None], allowed_hosts: Collection[str] = ()
) -> None:
    """Answers for a yard until SIGTERM or SIGINT, and then finishes the requests in flight; ``ready`` is called with the URL when the address is taken.

    Raises AddressRefused for an address that others can reach, since the server asks nobody who they are; PortInUse, AddressUnusable.
    """
    if not is_of_this_machine(host):
        raise AddressRefused(host=host)
    listener = Listener(create_app(workspace, allowed_hosts), host, port, ended=workspace.close)
    ready(listener.url)
    listener.run()
