"""Text files, packed or not: nothing is lost, and each error names the file and its line."""

import gzip
from pathlib import Path

import pytest

from transformer.corpus.files import read_pairs, read_paragraphs


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.gz"])
def test_pairs_are_read_plain_or_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = "olá\thello\n\tempty source\n água \t water \n".encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_pairs(path) == [("olá", "hello"), ("", "empty source"), (" água ", " water ")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tb\nc\n", "expected two columns in line 2 of pairs.tsv, received 1"),
        (b"a\tb\tc\n", "expected two columns in line 1 of pairs.tsv, received 3"),
        (b"a\tb\n\n", "expected two columns in line 2 of pairs.tsv, received 1"),
        (b"a\t\xff\n", "expected UTF-8 text in pairs.tsv"),
    ],
)
def test_a_line_that_is_no_pair_is_refused_with_its_number(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "pairs.tsv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "pairs.tsv")


def test_a_damaged_packed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv.gz"
    whole = gzip.compress("".join(f"{i}\t{i * i}\n" for i in range(5000)).encode())
    middle = bytearray(whole)
    middle[40:80] = bytes(40)
    for damaged in (b"plain text\tno gzip", whole[:100], bytes(middle)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"in .*pairs\.tsv\.gz"):
            read_pairs(path)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_paragraphs_are_lines_with_something_in_them(tmp_path: Path, name: str) -> None:
    content = "One  two.\n\n \t\nThree\u00a0four\r\nfive".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_paragraphs(tmp_path / name) == ["One two.", "Three four", "five"]


def test_a_file_that_is_no_text_is_refused_with_its_name(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d times %d\n" % (i, i * i) for i in range(9000)))
    middle = bytearray(whole)
    middle[40:80] = bytes(40)
    for name, content in (
        ("a.txt", b"\xff\xfe"),
        ("a.txt.gz", b"no gzip"),
        ("a.txt.gz", whole[:100]),
        ("a.txt.gz", bytes(middle)),
        ("a.txt.gz", gzip.compress(b"\xff")),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"expected UTF-8 text in {name}, received"):
            read_paragraphs(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_paragraphs(tmp_path / "nothing.txt")
