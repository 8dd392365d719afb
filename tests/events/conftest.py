"""What tests of events share."""

from collections.abc import Iterator

import pytest
from receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()
