"""Record how far back the gradient reaches: `python scripts/reach.py MODEL ... --data FILE`."""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from transformer import load  # noqa: E402
from transformer.corpus.files import read_text  # noqa: E402
from transformer.evaluation.reach import summed_up  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True, help="the validation text")
    parser.add_argument("--windows", type=int, default=256)
    parser.add_argument("--length", type=int, default=199)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "recurrence" / "reach.json")
    options = parser.parse_args()
    text, found = read_text(options.data), {}
    for name in options.models:
        model = load(name)
        reach = summed_up(model.reach(text, options.windows, options.length))
        found[model.name] = reach._asdict() | {
            part: [float(f"{share:.4g}") for share in getattr(reach, part)]
            for part in ("mean", "low", "high")
        }
        print(model.name, "half within", reach.half, "nine tenths within", reach.most)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
