"""The page of speech, run without a browser, with a tiny random Whisper: what it says means nothing."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests import toy
from tests.audio.sounds import encode, tone
from tests.pages.conftest import apart
from tests.sent import by_the_player, unpacked
from transformer import home
from transformer.checkpoints import folder
from transformer.interventions import Interventions
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import AttentionMap, Label, Trace
from transformer.ui.models import calls, opened
from transformer.ui.parts import explorer
from transformer.ui.speech import calls as speech_calls
from transformer.ui.speech import player, span

Visit = Callable[..., AppTest]
PAGE = "pages/speech.py"
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="module")
def whisper() -> Iterator[None]:
    """Two tiny Whispers, opened as a visitor would open them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformer.pipeline.Listener.warm", lambda *_, **__: None)
        patch.setattr(
            home, "examples", lambda: GOLDEN
        )  # no clips: those that come along are too long for these two
        models = [opened.open_model(GOLDEN / f"whisper-{name}") for name in ("english", "multilingual")]
        for model in models:
            model.future.result(120)
        yield
        for model in models:
            opened.forget(model.name)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the player sent last, by the key of its part."""
    return by_the_player(monkeypatch)


def upload(page: AppTest, data: bytes, name: str = "clip.wav") -> AppTest:
    page.file_uploader(key="upload").upload(name, data, "audio/wav").run()
    assert not page.exception
    return page


def heard(page: AppTest) -> Trace:
    trace = page.session_state["heard"].trace
    assert isinstance(trace, Trace)
    return trace


CLIP = encode(tone(seconds=0.5))


def test_without_a_model_it_says_how_to_get_one(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "names", lambda family: [])
    page = visit(PAGE)
    assert "Open a Whisper checkpoint" in page.info[0].value
    assert not page.warning and not page.get("file_uploader")


def test_a_clip_is_written_down(whisper: None, visit: Visit, sent: dict[str, bytes]) -> None:
    page = upload(visit(PAGE, model="whisper-english", layer="1", head="1"), CLIP)
    trace = heard(page)
    assert (trace.model, trace.input, trace.options["seconds"]) == ("whisper-english", "clip.wav", 0.5)
    assert trace.output in page.subheader[0].value
    said, weights = unpacked(sent["player"])
    assert said["seconds"] == 0.5 and said["digest"] == sent["player-sound"][:16].hex()
    cross = trace["cross"].weights[0, 0, :, :-1]  # its last column is the silence behind the clip
    assert said["attention"]["shape"] == list(cross.shape) and said["attention"]["step"] == 0.02
    found = np.frombuffer(weights, np.uint8).reshape(cross.shape) / 255 * said["attention"]["top"]
    np.testing.assert_allclose(found, cross, atol=said["attention"]["top"] / 500)
    assert [way["way"] for way in said["words"]] == ["Named heads", "Ranked heads"]
    for way in said["words"]:
        assert len(way["words"]) == len(trace.output.split())
        assert all(0 <= start < end <= 0.52 for _, start, end in way["words"])
    assert said["attention"]["path"][-1] == [len(trace.target) - 1, cross.shape[1] - 1]


def test_every_kind_of_head_and_another_choice_of_heads(
    whisper: None, visit: Visit, sent: dict[str, bytes]
) -> None:
    page = upload(visit(PAGE, model="whisper-english", attention="Encoder", layer="2", head="3"), CLIP)
    said, weights = unpacked(sent["player"])
    encoder = heard(page)["encoder"].weights[1, 2, :, :-1]
    assert said["attention"]["timed"] and said["attention"]["path"] == []
    assert weights == np.rint(255 * (encoder / encoder.max())).astype(np.uint8).tobytes()
    (heads,) = (box for box in page.multiselect if box.label == "Heads")
    heads.set_value([]).run()
    assert not page.exception
    assert [way["way"] for way in unpacked(sent["player"])[0]["words"]] == ["Named heads"]
    page = upload(visit(PAGE, model="whisper-english", attention="Decoder"), CLIP)
    assert "attention" not in unpacked(sent["player"])[0] and len(page.get("plotly_chart")) == 1


def test_a_network_of_several_languages_lets_one_choose(
    whisper: None, visit: Visit, sent: dict[str, bytes]
) -> None:
    page = upload(visit(PAGE, model="whisper-multilingual", language="pt"), CLIP)
    assert page.selectbox(key="language").options == ["detect", "en", "pt", "zh"]
    assert heard(page).options["language"] == "pt"


def test_a_whisper_is_searched_greedily_until_a_wider_search_is_asked_for(
    whisper: None, visit: Visit, sent: dict[str, bytes]
) -> None:
    page = upload(visit(PAGE, model="whisper-multilingual", language="pt", search="Beam"), CLIP)
    assert heard(page).options["decoding"] == "greedy"
    page.segmented_control(key="search-alone").set_value("Beam").run()
    assert not page.exception and not page.warning
    assert heard(page).options["decoding"] == "beam" and heard(page).options["language"] == "pt"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "received an empty one"),
        (b"no sound" * 100, "Not transcribed"),
        (encode(np.zeros(4000, np.float32)), "received a silent clip"),
    ],
)
def test_what_cannot_be_heard_is_said_and_the_last_picture_stays(
    whisper: None, visit: Visit, sent: dict[str, bytes], data: bytes, why: str
) -> None:
    page = upload(visit(PAGE, model="whisper-english"), CLIP)
    before = heard(page)
    speech_clip = speech_calls.Clip("broken.wav", data, why)
    page.session_state["clip"] = speech_clip
    page.run()
    assert not page.exception
    (warning,) = page.warning
    assert why in warning.value and "Shown below: “clip.wav”." in warning.value
    assert heard(page) is before and sent["player"]


def test_the_same_clip_is_heard_once(
    whisper: None, visit: Visit, sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = heard(upload(visit(PAGE, model="whisper-english"), CLIP, "first.wav"))
    assert heard(upload(visit(PAGE, model="whisper-english"), CLIP, "first.wav")) is first


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callable[[str], Any]]:
    """A toy speech network with CTC, a clip that comes along, and who loads the network: once."""
    tokenizer = SubwordTokenizer.train(["one two three one two three"] * 2, 23)
    config = toy.config(
        stem="t2t",
        bins=8,
        stem_channels=2,
        ctc=True,
        vocabulary=tokenizer.size,
        max_source=30,
        max_target=5,
    )
    root = tmp_path_factory.mktemp("toys")
    place = root / "models" / "toy-digits"
    place.mkdir(parents=True)
    folder.save_config(place, config)
    folder.save_weights(place / "model.safetensors", toy.tensors(toy.network(config), 3))
    tokenizer.save(place / "tokenizer.json")
    clips = root / "examples" / "speech"
    clips.mkdir(parents=True)
    (clips / "one-two.wav").write_bytes(CLIP)
    (clips / "README.md").write_text("Where they come from.")
    return root, apart()


@pytest.fixture
def digits(toys: tuple[Path, Callable[[str], Any]], monkeypatch: pytest.MonkeyPatch) -> str:
    """The toy among the shipped networks, and its clip among those that come along."""
    root, loading = toys
    monkeypatch.setattr(opened, "names", lambda family: [])  # those of other tests
    monkeypatch.setattr(home, "models", lambda: root / "models")
    monkeypatch.setattr(home, "examples", lambda: root / "examples")
    monkeypatch.setattr(calls, "_loading", loading)
    monkeypatch.setattr("transformer.pipeline.Listener.warm", lambda *_, **__: None)
    return "toy-digits"


def test_a_shipped_network_and_clip_appear_by_themselves(
    digits: str, visit: Visit, sent: dict[str, bytes]
) -> None:
    page = visit(PAGE)
    assert page.selectbox(key="model").options == [digits]
    examples = page.pills(key="example")
    assert examples.options == ["One two"] and examples.value == "One two", "it is heard at once"
    assert not page.exception and not page.warning
    trace = heard(page)
    assert (trace.model, trace.input, trace.options["decoding"]) == (digits, "One two", "beam")
    found = page.session_state["heard"].evidence.ctc
    assert len(found[0]) == 13 and found[1] == 0, "half a second: 50 frames, 4 a position"
    assert {way["way"] for way in unpacked(sent["player"])[0]["words"]} <= {"Ranked heads", "CTC"}
    page.segmented_control(key="search").set_value("Greedy").run()
    assert not page.exception and heard(page).options["decoding"] == "greedy"


def test_faint_heads_have_the_whole_scale_and_numbers_are_checked(
    digits: str, visit: Visit, sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "FAINT", 1.0)
    page = visit(PAGE, attention="Encoder")
    assert page.toggle(key="stretch").value
    page.session_state["check"] = True
    page.run()
    assert not page.exception and not page.warning
    (difference,) = (metric for metric in page.metric if metric.label == "Largest difference")
    assert float(difference.value) < 1e-5


def test_a_clip_longer_than_a_pass_is_cut_at_its_pauses_and_stitched(
    digits: str, visit: Visit, sent: dict[str, bytes]
) -> None:
    loud, quiet = tone(seconds=0.8), np.zeros(4800, np.float32)
    clip = encode(np.concatenate([loud, quiet, loud, quiet, loud]))
    page = upload(visit(PAGE), clip)
    found = page.session_state["heard"]
    assert [len(part.text) > 0 for part in found.parts] == [bool(part.words) for part in found.parts]
    ends = [part.end for part in found.parts]
    assert [part.start for part in found.parts] == [0.0, *ends[:-1]] and ends[-1] == 3.0
    # A pass hears 30 positions of 40 ms: each cut lies within one of the two pauses.
    assert 0.8 < ends[0] < 1.1 and 1.9 < ends[1] < 2.2
    assert found.text == " ".join(part.text for part in found.parts if part.text)
    choice = page.selectbox(key=speech_calls.part_key(found.digest))
    choice.set_value(1).run()
    assert not page.exception
    shown = page.session_state["heard"]
    assert shown.offset == found.parts[1].start
    assert len(shown.samples) == round(16_000 * (found.parts[1].end - found.parts[1].start))
    assert unpacked(sent["player"])[0]["offset"] == shown.offset
    assert shown.trace.output == found.parts[1].text


def test_with_heads_off_both_transcripts_and_times_are_there(
    whisper: None, visit: Visit, sent: dict[str, bytes]
) -> None:
    change = Interventions.parse("h:e*.*,x1.*")
    where = {"model": "whisper-english", "layer": "1", "head": "1", "change": change.text()}
    page = upload(visit(PAGE, **where), CLIP)
    before, model = heard(page), calls.network("whisper-english")
    listened = model.listen(page.session_state["heard"].samples, change)
    after = model.trace(listened, beams=1)
    cross = after["cross"].weights[0, 0, :, :-1]
    said, weights = unpacked(sent["player"])
    assert said["attention"]["shape"] == list(cross.shape)
    found = np.frombuffer(weights, np.uint8).reshape(cross.shape) / 255 * said["attention"]["top"]
    np.testing.assert_allclose(found, cross, atol=said["attention"]["top"] / 400)
    text = " ".join(item.value for item in page.markdown)
    assert "Switched off: cross-attention, layer 1, all heads; encoder self-attention" in text
    assert ("With the change: the same" in text) == (after.output == before.output)
    assert before.output in page.subheader[0].value
    page.segmented_control(key="show").set_value("As it was").run()
    assert not page.exception
    cross = before["cross"].weights[0, 0, :, :-1]
    assert unpacked(sent["player"])[0]["attention"]["shape"] == list(cross.shape)
    held = upload(visit(PAGE, **where, hold="true"), CLIP)
    assert "finds this transcript" in " ".join(item.value for item in held.markdown)


def test_a_span_of_time_is_not_heard_and_put_back(
    whisper: None, visit: Visit, sent: dict[str, bytes]
) -> None:
    page = upload(visit(PAGE, model="whisper-english", layer="1", head="1"), CLIP)
    before = heard(page)
    assert unpacked(sent["player"])[0]["spans"] == []
    page.session_state["span"], page.session_state["span-seconds"] = True, (0.1, 0.2)
    page.run()
    assert not page.exception and page.slider(key="span-seconds").value == (0.1, 0.2)
    assert unpacked(sent["player"])[0]["spans"] == [[0.1, 0.2, "to be cut", False]]
    page.button(key="span-now").click().run()
    assert not page.exception and page.query_params["change"] == "x:x*.*.*.6-10"
    model = calls.network("whisper-english")
    listened = model.listen(page.session_state["heard"].samples, "x:x*.*.*.6-10")
    after = model.trace(listened)
    assert not after["cross"].weights[..., 5:10].any() and before["cross"].weights[..., 5:10].all()
    header, weights = unpacked(sent["player"])
    rows, columns = header["attention"]["shape"]
    shown = np.frombuffer(weights, np.uint8).reshape(rows, columns)
    assert not shown[:, 5:10].any() and shown[:, :5].any()
    cut, _ = header["spans"]
    assert cut == [0.1, 0.2, "cross-attention, all layers, all heads: nobody hears 0.10 to 0.20 s", True]
    told = " ".join(text.value for text in page.markdown)
    assert "Cut: cross-attention, all layers, all heads: nobody hears 0.10 to 0.20 s." in told
    page.button_group(key="span-in").set_value("This head").run()
    page.button(key="span-now").click().run()
    assert page.query_params["change"] == "x:x*.*.*.6-10,x1.1.*.6-10"
    page.button(key="put-back-x:x*.*.*.6-10").click().run()
    assert page.query_params["change"] == "x:x1.1.*.6-10"
    page.session_state["span-seconds"] = (-3.0, 99.0)  # of another clip
    page.run()
    assert not page.exception and page.slider(key="span-seconds").value == (0.0, 0.5)


@pytest.mark.parametrize(
    ("start", "end", "places"),
    [
        (0.0, 0.02, (0, 0)),
        (0.1, 0.2, (5, 9)),
        (0.11, 0.21, (5, 10)),
        (0.3, 0.3, (15, 15)),
        (0.49, 9.0, (24, 24)),
    ],
)
def test_a_span_takes_every_position_that_it_touches(
    start: float, end: float, places: tuple[int, int]
) -> None:
    assert span.covered(start, end, 0.02, 25) == places


def test_what_is_behind_the_last_position_cannot_be_chosen() -> None:
    keys = [Label("", start=place * 0.04, end=(place + 1) * 0.04) for place in range(37)]
    cross = AttentionMap("cross", np.full((1, 1, 1, 37), 1 / 37, np.float32), [Label("a")], keys)
    assert span._heard(cross, 1.4853) == pytest.approx(1.48)
    assert span._heard(cross, 1.2) == 1.2, "positions of silence behind a clip are not of it"


@pytest.mark.parametrize(
    ("chosen", "seconds"),
    [
        (None, (10.2, 10.4)),
        ((10.3, 10.5), (10.3, 10.5)),
        ((10.5, 10.3), (10.3, 10.5)),
        ((-1.0, 99.0), (10.0, 11.0)),
        ((math.nan, 10.5), (10.2, 10.4)),
        ((10.5,), (10.2, 10.4)),
        ((10.1, 10.2, 10.3), (10.2, 10.4)),
        ("10", (10.2, 10.4)),
    ],
)
def test_what_is_set_lies_within_the_clip(
    monkeypatch: pytest.MonkeyPatch, chosen: object, seconds: tuple[float, float]
) -> None:
    state = {} if chosen is None else {span.SECONDS: chosen}
    monkeypatch.setattr(span, "st", SimpleNamespace(session_state=state))
    assert span._seconds(1.0, 10.0) == seconds


@pytest.mark.parametrize(
    "value", [None, 3, [1], [0.2, 0.1], [-1, 1], [0, 9], [0, "1"], [True, 1], [math.nan, 1], {}]
)
def test_what_is_no_span_is_dropped(value: object) -> None:
    assert player._drawn(value, 0.5) is None and player._drawn([0.1, 0.4], 0.5) == (0.1, 0.4)
