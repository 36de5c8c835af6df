"""A page that has run leaves alone what another thread is building."""

import keras
import pytest
from keras import layers
from streamlit.runtime.scriptrunner import script_runner

from transformer.ui.models import calls


class Outer(layers.Layer):
    """A layer during whose building a page finishes."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.inner = layers.Dense(2, name="inner")

    def build(self, shape: tuple[int | None, ...]) -> None:
        script_runner._clean_problem_modules()
        self.inner.build(shape)


def path(name: str) -> str:
    outer = Outer(name)
    outer.build((None, 3))
    return str(outer.inner.kernel.path)


def test_names_survive_the_end_of_a_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(keras.src.backend.common.global_state, "clear_session", None)
    if original is not None:
        monkeypatch.setattr(keras.backend, "clear_session", original)
        assert path("unprotected") == "inner/kernel", "what Streamlit would do, and why it must not"
    # Undone with the test: others may rely on Keras as it is.
    monkeypatch.setattr(keras.backend, "clear_session", keras.backend.clear_session)
    calls._leave_keras_alone()
    assert path("outer") == "outer/inner/kernel"
