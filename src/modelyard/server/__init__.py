"""A yard over HTTP, for a team: the API, and what runs and watches the server."""

from modelyard.server.app import create_app
from modelyard.server.process import serve

__all__ = ["create_app", "serve"]
