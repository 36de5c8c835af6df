"""One table of kinds: it knows every family, every name in it exists, and every shipped network has its row."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from transformer import home
from transformer.checkpoints.folder import load_config
from transformer.config import Family
from transformer.kinds import KINDS, Kind, kind_of, named
from transformer.pipeline import loading, shipped
from transformer.pipeline.model import Model
from transformer.ui.shell.frame import PAGES

# Where families were told apart before there was a table: what is left there must be about one family alone.
READERS = {
    "transformer/models/assembly.py",
    "transformer/training/loop.py",
    "transformer/evaluation/measure.py",
    "transformer/pipeline/loading.py",
    "transformer/pipeline/checkpoint.py",
    "transformer/ui/models/calls.py",
    "transformer/ui/models/page.py",
}


def test_every_family_has_a_row_and_no_two_rows_are_of_one_kind() -> None:
    assert {kind.family for kind in KINDS} == set(get_args(Family))
    assert len({(kind.family, kind.tokens) for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.family}-{kind.tokens}")
def test_what_a_row_names_is_there(kind: Kind) -> None:
    model = named(kind.model)
    assert issubclass(model, Model)
    for name in (kind.network, kind.task, kind.measure):
        assert callable(named(name))
    assert any(page.path == f"pages/{kind.page}.py" for page in PAGES)
    known = set(get_type_hints(model.warm)) - {"return"}
    assert kind.ahead and all(set(inputs) <= known for inputs in kind.ahead)


def test_every_shipped_network_is_of_its_row() -> None:
    for name in shipped():
        config = load_config(home.models() / name)
        kind = kind_of(config.family, config.tokens)
        assert (kind.family, kind.tokens) == (config.family, config.tokens), name


def test_an_editor_is_told_of_every_shipped_name() -> None:
    """The overloads of `load` name each shipped model once, with the class that it opens as."""
    tree = ast.parse(Path(loading.__file__).read_text("utf-8"))
    told = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "load" and node.decorator_list:
            annotation = ast.unparse(node.args.args[0].annotation)  # type: ignore[arg-type]
            names = get_args(eval(annotation, vars(loading)))
            told |= {name: ast.unparse(node.returns) for name in names if isinstance(name, str)}  # type: ignore[arg-type]
    assert sorted(told) == shipped()
    for name, opens in told.items():
        config = load_config(home.models() / name)
        assert kind_of(config.family, config.tokens).model.split(":")[1] == opens


@pytest.mark.parametrize("path", sorted(READERS))
def test_every_place_that_must_know_all_families_reads_the_table(path: str) -> None:
    """No table of families of its own: a dict with three of them as keys is one."""
    source = (home.ROOT / path).read_text("utf-8")
    families, tree = set(get_args(Family)), ast.parse(source)
    assert "kind_of(" in source
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            assert len(keys & families) < 3, f"{path}:{node.lineno}"


def test_no_other_place_has_a_table_of_families() -> None:
    families = set(get_args(Family))
    for path in (home.ROOT / "transformer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Dict) and path.name != "kinds.py":
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                assert len(keys & families) < 4, f"{path}:{node.lineno}"


def test_a_family_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a family out of .*received 'vision'"):
        kind_of("vision")


def test_reading_the_table_loads_nothing() -> None:
    code = "import sys, transformer.kinds, transformer.pipeline\nprint('keras' in sys.modules, 'numpy' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=home.ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False", "False"]
