"""Record what each translator loses as its input grows: `python scripts/lengths.py MODEL ... --data FILE`."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from transformer import load  # noqa: E402
from transformer.corpus.files import read_pairs  # noqa: E402
from transformer.evaluation import lengths  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True, help="source<TAB>target lines")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "recurrence" / "length.csv")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(options.data)[: lengths.SENTENCES]
    # What other models have in the file stays.
    rows = lengths.read(options.out) if options.out.exists() else []
    for name in options.models:
        model = load(name)
        rows = [row for row in rows if row.model != model.name] + lengths.by_length(model, pairs)
        lengths.write(options.out, rows)
        print(name, *(f"{row.sentences}: {row.bleu}" for row in rows if row.model == model.name))


if __name__ == "__main__":
    main()
