"""A way to the S3 server that loses what goes over it."""

from collections.abc import Iterator

import pytest
from unreliable_proxy import UnreliableProxy, unreliable_proxy


@pytest.fixture
def proxy(s3_server: tuple[str, int], s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UnreliableProxy]:
    """An unreliable proxy, which the environment names in place of the server."""
    with unreliable_proxy(s3_server) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made
