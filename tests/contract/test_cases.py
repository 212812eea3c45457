"""The table of nasty cases says of every one which test shows it, or why none does."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "connectors" / "README.md").read_text("utf-8").partition("## Twenty-five nasty cases of each channel")[2]
CHANNELS = (
    *("WhatsApp", "SMS", "E-mail in", "E-mail out", "Facebook Messenger", "Comments on Facebook"),
    *("Instagram, messages and comments", "Web form and chat"),
)
ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \|")
NAME = re.compile(r"`(test_[\w.]+)`")
REASON = re.compile(r"(?:not done|does not arise): .{30,}")


def sections() -> dict[str, list[tuple[int, str, str]]]:
    """Return number, case and last cell of every row, by heading."""
    found = {}
    for part in PAGE.split("\n### ")[1:]:
        heading, _, body = part.partition("\n")
        found[heading] = [(int(row[1]), row[2], row[3]) for row in map(ROW.fullmatch, body.splitlines()) if row]
    return found


def named_in_files() -> set[str]:
    """Return the names of all tests, each with those of its file and class."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        classes = [("", tree), *((f"{each.name}.", each) for each in tree.body if isinstance(each, ast.ClassDef))]
        for prefix, within in classes:
            functions = (each for each in within.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{path.stem}.{prefix}{each.name}" for each in functions}
    return found


TESTS = named_in_files()


def test_every_channel_has_its_cases():
    assert tuple(sections()) == CHANNELS


@pytest.mark.parametrize("channel", CHANNELS)
def test_each_of_the_twenty_five_is_shown_or_explained(channel):
    rows = sections()[channel]
    assert [number for number, _, _ in rows] == list(range(1, 26))
    assert len({case for _, case, _ in rows}) == 25
    unexplained = [number for number, _, said in rows if not NAME.match(said) and not REASON.fullmatch(said)]
    assert not unexplained


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_test_that_is_named_exists(channel):
    named = {name for _, _, said in sections()[channel] for name in NAME.findall(said)}
    assert named
    assert named <= TESTS
