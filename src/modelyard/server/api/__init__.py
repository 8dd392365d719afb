"""The endpoints below /api/v1, a module for each kind of thing. Each takes a workspace and a request, and gives a response."""
