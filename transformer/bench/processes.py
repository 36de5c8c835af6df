"""What a fresh process waits for: import, load, first and later traces."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from transformer import home
from transformer.bench.measure import Row

SENTENCE = "O trem saiu da estação na hora."
_FRESH = """
import json, time
begun = time.perf_counter()
import transformer.pipeline as pipeline
imported = time.perf_counter()
model = pipeline.load("pt-en")
loaded = time.perf_counter()
model.trace({sentence!r})
first = time.perf_counter()
warm = []
for _ in range(15):
    start = time.perf_counter()
    model.trace({sentence!r})
    warm.append(time.perf_counter() - start)
print(json.dumps([imported - begun, loaded - imported, first - loaded, sorted(warm)[7]]))
"""


def processes(runs: int = 3) -> Iterator[Row]:
    """Import, load, first and later traces, each in a process of its own."""
    samples = []
    for _ in range(runs):
        output = subprocess.run(
            [sys.executable, "-c", _FRESH.format(sentence=SENTENCE)],
            cwd=home.ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        samples.append(json.loads(output))
    for name, values in zip(
        ("cold-import", "load/pt-en", "first-trace/pt-en", "trace/pt-en"),
        zip(*samples, strict=True),
        strict=True,
    ):
        yield {"name": name, "median_ms": statistics.median(values) * 1000}
