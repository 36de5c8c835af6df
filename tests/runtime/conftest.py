"""What runs networks is tested as it runs for visitors: compiled by XLA."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Every network of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADLIGHT_XLA", "on")
        yield
