"""The pages run by Streamlit's own test driver, in this process: one network for all tests."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from transformer.ui.models import calls

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120  # the first sentence of a length builds a graph


@pytest.fixture(scope="session", autouse=True)
def scanned() -> Iterator[None]:
    """Streamlit's driver reads the metadata of every installed package for each visitor, 0.3 s; a server does so once,
    as it starts."""
    with pytest.MonkeyPatch.context() as patch:
        once = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="session")
def network() -> None:
    """The shipped network, loaded."""
    calls._loading(calls.FIRST.model).result(SECONDS)


def apart() -> Callable[[str], Future[Any]]:
    """Stands in for `calls._loading` where a test has models of its own: those that come along stay for all others,
    with their graphs."""
    loading: Any = functools.cache(calls._loading.__wrapped__)
    loading.clear = loading.cache_clear
    return loading  # type: ignore[no-any-return]


@pytest.fixture
def visit() -> Callable[..., AppTest]:
    """`visit("pages/translate.py", text="...")`: a new visitor's first run of a page, with this address."""

    def run(page: str = "app.py", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
        if page != "app.py":
            app.switch_page(page)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return run
