"""Who may import whom: the layers of design.md, held by walking the imports of every file.

An import counts wherever it stands, inside a function or under `if TYPE_CHECKING` too, unless a rule says otherwise.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The one place where TensorFlow itself is used: compiled decoding and the forced pass.
RUNTIME = "transformer/runtime/"

# The one file of the training that may reach for TensorFlow's TensorBoard writer, inside a function.
TENSORBOARD = "transformer/training/tensorboard.py"

# The one import that a rule does not count: a trace saves itself as a page, and the page reads the trace. Inside a
# function, so that a trace loads without what draws.
LAZILY = ("transformer/trace/trace.py", "transformer.figures.standalone")

MAY_USE_STREAMLIT = ("app.py", "pages", "transformer/ui")


class Import(NamedTuple):
    """One import of a file: the module, the names taken from it (each as a dotted path), and where it stands."""

    module: str
    names: tuple[str, ...]
    line: int
    at_top: bool


class Only(NamedTuple):
    """These files import the standard library, these packages, and nothing else."""

    where: tuple[str, ...]
    packages: tuple[str, ...]


class Never(NamedTuple):
    """These files never import these packages."""

    where: tuple[str, ...]
    packages: tuple[str, ...]


NETWORK = (
    *("layers", "models", "training", "search", "pipeline", "runtime", "checkpoints", "evaluation"),
    *("cli", "ui", "figures"),
)

SEEN = ("config", "trace", "formulas", "analysis", "figures")

RULES: tuple[Only | Never, ...] = (
    Only(
        (
            "transformer/home.py",
            "transformer/interventions.py",
            "transformer/kinds.py",
            "transformer/settings.py",
            "transformer/untrusted.py",
        ),
        (),
    ),
    Only(("transformer/ask.py",), ("transformer.interventions",)),
    Only(("transformer/config",), ("transformer.config",)),
    Only(("transformer/formulas/positions.py", "transformer/formulas/rotary.py"), ("numpy",)),
    Only(("transformer/trace",), ("numpy", "transformer.trace")),
    # Files take and give fields, the parts know nothing of the whole: no circle.
    Only(
        tuple(f"transformer/trace/{name}.py" for name in ("labels", "maps", "steps", "files")),
        ("numpy", *(f"transformer.trace.{name}" for name in ("labels", "maps", "steps"))),
    ),
    Only(
        ("transformer/analysis",),
        (
            "numpy",
            *(f"transformer.{name}" for name in ("config", "interventions", "trace", "formulas", "analysis")),
        ),
    ),
    Only(
        ("transformer/layers",),
        (
            *("keras", "numpy", "transformer.config", "transformer.layers"),
            *("transformer.formulas.positions", "transformer.formulas.rotary"),
        ),
    ),
    Only(
        ("transformer/models",),
        (
            "keras",
            "numpy",
            "transformer.formulas.positions",
            *(f"transformer.{name}" for name in ("config", "interventions", "kinds", "layers", "models")),
        ),
    ),
    Only(
        ("transformer/figures",),
        ("numpy", "plotly", "pandas", "matplotlib", *(f"transformer.{name}" for name in SEEN)),
    ),
    Never(
        ("transformer/text", "transformer/audio"),
        ("keras", "tensorflow", "jax", "torch", "plotly", *(f"transformer.{name}" for name in NETWORK)),
    ),
    # What runs networks knows nothing of how they learned, nor of who looks.
    Never(
        tuple(
            f"transformer/{name}"
            for name in ("layers", "models", "search", "runtime", "pipeline", "checkpoints")
        ),
        ("transformer.training", "transformer.ui", "transformer.evaluation", "transformer.cli"),
    ),
    Never(("transformer/training", "transformer/evaluation", "transformer/corpus"), ("transformer.ui",)),
    Never(("pages", "app.py"), ("keras", "tensorflow", "numpy")),
)


def imports(source: str, path: str) -> Iterator[Import]:
    """Every import in the source of the file at `path` (relative, with forward slashes), relative ones resolved."""
    package = PurePosixPath(path).parent.parts
    tree = ast.parse(source, path)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        at_top = id(node) not in inner
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield Import(module, tuple(f"{module}.{alias.name}" for alias in node.names), node.lineno, at_top)
        elif isinstance(node, ast.Call) and isinstance(node.args[0] if node.args else None, ast.Constant):
            called = ast.unparse(node.func)
            name = node.args[0].value
            if called in ("importlib.import_module", "import_module", "__import__") and isinstance(name, str):
                yield Import(name, (), node.lineno, at_top)


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether the dotted name is one of the packages or lies inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def allowed(item: Import, packages: tuple[str, ...]) -> bool:
    """Whether the module, or everything that is taken from it, lies within the packages."""
    return within(item.module, packages) or (
        bool(item.names) and all(within(name, packages) for name in item.names)
    )


def lies_in(path: str, where: tuple[str, ...]) -> bool:
    """Whether the file is one of these or lies in one of these folders."""
    return any(path == place or path.startswith(place + "/") for place in where)


def is_standard(module: str) -> bool:
    """Whether the module belongs to Python itself."""
    return module.split(".")[0] in sys.stdlib_module_names


def broken_rules(source: str, path: str) -> list[str]:
    """One line for each import of the file that a rule forbids."""
    found = []
    for item in imports(source, path):
        place = f"{path}:{item.line}: imports {item.module}"
        touched = (item.module, *item.names)
        for rule in RULES:
            if not lies_in(path, rule.where) or ((path, item.module) == LAZILY and not item.at_top):
                continue
            if isinstance(rule, Never):
                if any(within(name, rule.packages) for name in touched):
                    found.append(f"{place}, which {', '.join(rule.where)} never do")
            elif not (is_standard(item.module) or allowed(item, rule.packages)):
                found.append(f"{place}; allowed are the standard library and {', '.join(rule.packages)}")
        if any(within(name, ("streamlit",)) for name in touched) and not lies_in(path, MAY_USE_STREAMLIT):
            found.append(f"{place}, which only {', '.join(MAY_USE_STREAMLIT)} may")
        here = path.startswith(RUNTIME) or (path == TENSORBOARD and not item.at_top)
        if any(within(name, ("tensorflow",)) for name in touched) and not here:
            found.append(f"{place}, which only {RUNTIME} may ({TENSORBOARD} inside a function)")
    return found


def package(name: str) -> str:
    """The part that a dotted name lies in: `transformer.ui.parts.sheet` -> `ui`; "" for the house itself."""
    return [*name.split("."), ""][1]


def circles(sources: dict[str, str]) -> list[tuple[str, ...]]:
    """Parts of the package that reach each other by imports, wherever in a file one stands."""
    reached: dict[str, set[str]] = {}
    for path, source in sources.items():
        here = package(path.removesuffix(".py").replace("/", "."))
        for item in imports(source, path):
            if within(item.module, ("transformer",)) and (path, item.module) != LAZILY:
                names = item.names if item.module == "transformer" else (item.module,)
                reached.setdefault(here, set()).update({package(name) for name in names} - {here})
    for _ in reached:  # what can be reached in one more step, as often as there are parts
        for there in reached.values():
            there |= {far for near in there for far in reached.get(near, ())}
    return sorted(
        {tuple(sorted(b for b in reached[a] if a in reached.get(b, ()))) for a in reached if a in reached[a]}
    )


def files() -> list[str]:
    """Every file that the rules speak of."""
    paths = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "transformer").rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in paths if path.is_file())


def test_every_file_keeps_the_import_rules() -> None:
    assert files(), "expected files under transformer/, found none"
    broken = [line for path in files() for line in broken_rules((ROOT / path).read_text("utf-8"), path)]
    assert not broken, "\n" + "\n".join(broken)


def test_no_two_parts_import_each_other() -> None:
    """Imports inside functions and those for types alone count, too; within a part files may know each other."""
    paths = [
        path for path in files() if path.startswith("transformer/") and path != "transformer/__init__.py"
    ]
    sources = {path: (ROOT / path).read_text("utf-8") for path in paths}
    assert circles(sources) == []


def test_a_circle_is_found_however_long() -> None:
    sources = {
        "transformer/a/one.py": "from transformer.b import two",
        "transformer/b/two.py": "def f():\n    from transformer import c",
        "transformer/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from transformer.a.one import X",
        "transformer/d.py": "from transformer.a import one",
    }
    assert circles(sources) == [("a", "b", "c")]


def test_only_home_knows_where_files_lie() -> None:
    """Paths upwards from a file stand in one place."""
    found = [path for path in files() if ".parents[" in (ROOT / path).read_text("utf-8")]
    assert found == ["transformer/home.py"]


def test_pages_take_everything_from_ui() -> None:
    """What a page draws comes through `transformer.ui`; questions are values."""
    for path in files():
        if path == "app.py" or path.startswith("pages/"):
            for item in imports((ROOT / path).read_text("utf-8"), path):
                if within(item.module, ("transformer",)):
                    assert within(item.module, ("transformer.ui", "transformer.ask")), (
                        f"{path}: {item.module}"
                    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("transformer/interventions.py", "import numpy"),
        ("transformer/ask.py", "from transformer.trace import Trace"),
        ("transformer/trace/trace.py", "import pandas"),
        ("transformer/trace/trace.py", "from transformer import load"),
        ("transformer/trace/trace.py", "from transformer.figures.standalone import html"),
        ("transformer/trace/maps.py", "def f():\n    from transformer.figures.standalone import html"),
        ("transformer/trace/files.py", "def f():\n    from transformer.trace.trace import Trace"),
        ("transformer/trace/files.py", "from transformer.trace import Trace"),
        ("transformer/config/model.py", "def f():\n    import keras"),
        ("transformer/config/model.py", "import numpy"),
        ("transformer/analysis/rollout.py", "from ..layers import attention"),
        ("transformer/analysis/rollout.py", "from transformer.pipeline import load"),
        ("transformer/layers/attention.py", "import tensorflow as tf"),
        ("transformer/models/encoder.py", "from tensorflow.python import ops"),
        ("transformer/models/encoder.py", "from ..pipeline import load"),
        ("transformer/training/loop.py", "def f():\n    import tensorflow"),
        ("transformer/training/tensorboard.py", "import tensorflow"),
        ("transformer/training/loop.py", "import importlib\nimportlib.import_module('tensorflow')"),
        ("transformer/text/tokenizer.py", "from keras import ops"),
        ("transformer/text/tokenizer.py", "from transformer import layers"),
        ("transformer/audio/decode.py", "import tensorflow.signal"),
        ("transformer/figures/heatmap.py", "import streamlit as st"),
        ("transformer/figures/heatmap.py", "import keras"),
        ("transformer/pipeline/translator.py", "import streamlit"),
        ("transformer/pipeline/translator.py", "import tensorflow"),
        ("pages/1_Translate.py", "import numpy"),
        ("transformer/pipeline/listener.py", "from transformer.training.data import Source"),
        ("transformer/kinds.py", "from transformer.config import Family"),
        ("app.py", "import keras"),
    ],
)
def test_the_rules_catch(path: str, source: str) -> None:
    assert broken_rules(source, path)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "transformer/trace/trace.py",
            "import json\nimport numpy as np\nfrom transformer.trace import files",
        ),
        (
            "transformer/trace/trace.py",
            "def f():\n    from transformer.figures.standalone import html",
        ),
        ("transformer/analysis/rollout.py", "from transformer import trace\nfrom .entropy import entropy"),
        (
            "transformer/layers/blocks.py",
            "import keras\nfrom keras import ops\nfrom .attention import causal_mask",
        ),
        ("transformer/runtime/common.py", "import tensorflow as tf"),
        ("transformer/training/tensorboard.py", "def f():\n    import tensorflow"),
        ("transformer/text/tokenizer.py", "import tokenizers\nfrom transformer.trace import Label"),
        ("transformer/figures/heatmap.py", "import plotly.graph_objects as go\nimport pandas"),
        ("transformer/ui/sheet.py", "import streamlit.components.v2"),
        (
            "pages/1_Translate.py",
            "import streamlit as st\nfrom transformer.ui import cached\nfrom transformer import load",
        ),
    ],
)
def test_the_rules_allow(path: str, source: str) -> None:
    assert broken_rules(source, path) == []


def test_light_parts_load_without_a_network_library() -> None:
    """What a page needs for its first paint, and what the training reads, loads no TensorFlow behind the scenes."""
    light = [
        name
        for name in ("config", "trace", "formulas", "analysis", "text", "audio", "figures")
        if any((ROOT / "transformer").glob(f"{name}*"))
    ]
    code = "".join(f"import transformer.{name}\n" for name in light)
    code += (
        "import sys\nprint(*sorted({'keras', 'tensorflow', 'streamlit', 'torch', 'jax'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == []
