"""Log-mel features of a corpus on disk: decoded once, resumable, read back as one memory map.

A cache is a folder of three files: `features.npy`, float16 `(frames of all clips, bins)`, not normalised, so that clips
can still be joined; `index.tsv`, which frames belong to which clip at which speed; `cache.json`, how it was made.

Speeds other than 1 resample the clip, which shifts its pitch too: Ko et al. 2015, "Audio Augmentation for Speech
Recognition".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from transformer.audio.decode import RATE, decode, resample
from transformer.audio.features import Features, raw_log_mel

_FEATURES, _INDEX, _CONFIG = "features.npy", "index.tsv", "cache.json"


class _Row(NamedTuple):
    """A line of the index: the frames `first` to `first + frames` are those of a file of so many bytes."""

    path: str
    size: int
    speed: float
    first: int
    frames: int


class SpeechCache:
    """A cache that was built: `rows(path, speed)` gives a clip's features."""

    def __init__(self, folder: Path) -> None:
        """Open a cache; a folder that holds none, or one that is damaged, raises ValueError."""
        self.folder = folder
        self.features, self.speeds = _read_config(folder)
        self._rows = {(row.path, row.speed): row for row in _read_index(folder)}
        try:
            self._data = np.load(folder / _FEATURES, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise ValueError(f"expected features in {folder.name}, received {error}") from error
        end = max((row.first + row.frames for row in self._rows.values()), default=0)
        if self._data.shape != (end, self.features.bins):
            raise ValueError(
                f"expected features of {end} frames in {folder.name}, received shape {self._data.shape}: "
                "the building of this cache was interrupted, build it again to finish it"
            )

    def rows(self, path: str, speed: float = 1.0) -> np.ndarray:
        """Features of one clip before normalisation, float16 `(frames, bins)`, read-only."""
        row = self._row(path, speed)
        return self._data[row.first : row.first + row.frames]

    def frames(self, path: str, speed: float = 1.0) -> int:
        """How many frames a clip has."""
        return self._row(path, speed).frames

    def check(self, paths: Iterable[str]) -> None:
        """Raises ValueError where a clip is missing."""
        missing = [p for p in paths if not all((p, speed) in self._rows for speed in self.speeds)]
        if missing:
            raise ValueError(
                f"expected every clip of the manifest in {self.folder.name}, received a cache that lacks "
                f"{len(missing)} of them, the first {missing[0]}"
            )

    def _row(self, path: str, speed: float) -> _Row:
        try:
            return self._rows[path, speed]
        except KeyError:
            raise ValueError(
                f"expected {path} at speed {speed} in {self.folder.name}, received none"
            ) from None


def build_cache(
    root: Path,
    paths: Sequence[str],
    folder: Path,
    features: Features,
    *,
    speeds: Sequence[float] = (1.0,),
    workers: int = 1,
    on_clip: Callable[[], None] = lambda: None,
) -> SpeechCache:
    """Decode the sound files `root / path` that `folder` does not hold yet (or that have changed), and open it.

    A build that was killed goes on where it stood. `workers` threads decode; `on_clip` is called after each clip.

    Raises:
        ValueError: a file that is missing or cannot be decoded, with its path; a folder made with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {"features": dataclasses.asdict(features), "speeds": sorted(speeds)}
    if (folder / _CONFIG).exists():
        if _read_config(folder) != (features, tuple(sorted(speeds))):
            raise ValueError(f"expected a cache made with {made}, received {folder.name} made otherwise")
    else:
        (folder / _CONFIG).write_text(json.dumps(made) + "\n")
    sizes = {path: _size(root, path) for path in dict.fromkeys(paths)}
    start = _write_header(folder, 0, features.bins)
    rows = _read_index(folder)
    # What a killed build left half done, in either file, is made again.
    written = ((folder / _FEATURES).stat().st_size - start) // (2 * features.bins)
    rows = [row for row in rows if row.first + row.frames <= written]
    end = max((row.first + row.frames for row in rows), default=0)
    _write_index(folder, rows)
    known = {(row.path, row.speed): row.size for row in rows}
    todo = [p for p in sizes if any(known.get((p, speed)) != sizes[p] for speed in speeds)]
    tasks = [(root / path, features, tuple(speeds)) for path in todo]
    with (folder / _FEATURES).open("ab") as data, (folder / _INDEX).open("a", encoding="utf-8") as index:
        data.truncate(start + end * features.bins * 2)
        for path, variants in zip(todo, _map(_decode_clip, tasks, workers), strict=True):
            for speed, frames in zip(speeds, variants, strict=True):
                data.write(frames.tobytes())
                data.flush()  # frames first, then the line that speaks of them
                index.write(_line(_Row(path, sizes[path], speed, end, len(frames))))
                index.flush()
                end += len(frames)
            on_clip()
    _write_header(folder, end, features.bins)
    return SpeechCache(folder)


def _decode_clip(task: tuple[Path, Features, tuple[float, ...]]) -> list[np.ndarray]:
    """Features of a file at each speed, float16 `(frames, bins)`."""
    path, features, speeds = task
    try:
        samples = decode(path.read_bytes()).samples
        return [
            raw_log_mel(resample(samples, round(RATE * speed)), features).astype("<f2") for speed in speeds
        ]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _map(function: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterator[Any]:
    if workers <= 1 or len(tasks) < 2:
        yield from map(function, tasks)
        return
    # In lots, so that results do not pile up in memory and an interrupted build ends soon.
    with ThreadPoolExecutor(workers) as pool:
        for i in range(0, len(tasks), 8 * workers):
            yield from pool.map(function, tasks[i : i + 8 * workers])


def _size(root: Path, path: str) -> int:
    try:
        return (root / path).stat().st_size
    except OSError as error:
        raise ValueError(f"expected a sound file at {path}, received {error.strerror}") from error


def _write_header(folder: Path, frames: int, bins: int) -> int:
    """The head of the .npy file for so many frames, and its length, which is the same for any number of them."""
    path = folder / _FEATURES
    with path.open("r+b" if path.exists() else "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f2", "fortran_order": False, "shape": (frames, bins)}
        )
        return file.tell()


def _line(row: _Row) -> str:
    return "\t".join(map(str, row)) + "\n"


def _write_index(folder: Path, rows: Sequence[_Row]) -> None:
    part = folder / (_INDEX + ".part")
    part.write_text("".join(map(_line, rows)), encoding="utf-8")
    part.replace(folder / _INDEX)


def _read_index(folder: Path) -> list[_Row]:
    """The whole lines of the index; what stands behind the last end of a line was cut short."""
    path = folder / _INDEX
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        try:
            name, size, speed, first, frames = line.split("\t")
            rows.append(_Row(name, int(size), float(speed), int(first), int(frames)))
        except ValueError as error:
            raise ValueError(
                f"expected five columns in {_INDEX} of {folder.name}, received {line!r}"
            ) from error
    return rows


def _read_config(folder: Path) -> tuple[Features, tuple[float, ...]]:
    try:
        made = json.loads((folder / _CONFIG).read_text())
        return Features(**made["features"]), tuple(made["speeds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"expected a speech cache in {folder.name}, received {error}") from error
