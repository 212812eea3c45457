"""A TOML file whose mistakes are collected with their places, and whose texts may stand in variables or other files."""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import pydantic

from core import errors

Place = tuple[str | int, ...]  # keys and, within an array of tables, the index
Model = TypeVar("Model", bound=pydantic.BaseModel)


class TomlFile:
    """`tables` is the content with every `env:NAME` and `file:PATH` replaced by what it stands for.

    `name` is for messages; relative paths start at `base`. Raises ConfigError when `text` is no TOML.
    """

    def __init__(self, name: str, text: str, base: Path, environ: Mapping[str, str]) -> None:
        self._name = name
        self._base = base
        self._environ = environ
        self._mistakes: dict[tuple[Place, str], None] = {}
        self._references: set[Place] = set()
        self._unreadable: list[Place] = []  # told once; what is there instead is not judged
        try:
            self._written = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise errors.ConfigError([f"{name}: {error}"]) from None
        self._lines = _lines(text)
        self.tables: dict[str, Any] = self._resolve(self._written, ())

    def mistake(self, place: Place, text: str) -> None:
        self._mistakes[place, text] = None

    def raise_mistakes(self) -> None:
        """Raise ConfigError with all mistakes in the order of the file, if there are any."""
        if self._mistakes:
            found = sorted(self._mistakes, key=lambda mistake: self._line(mistake[0]))
            raise errors.ConfigError([self._told(place, text) for place, text in found])

    def is_reference(self, place: Place) -> bool:
        """Tell whether the text at `place` was given as `env:` or `file:`."""
        return place in self._references

    def part(self, kind: type[Model], table: Any, place: Place, *, may_lack: bool = False) -> Model | None:
        """Return `table` as `kind`, validated with the context `base`; note its mistakes and return None otherwise.

        `may_lack`: missing keys are no mistake, though they give None.
        """
        if not isinstance(table, dict):
            self.mistake(place, "should be a table")
            return None
        for found in _secrets(kind, table, place):
            if found not in self._references:
                self._unreadable.append(found)
                self.mistake(found, 'a secret is not written here; use "env:NAME" or "file:PATH"')
        try:
            return kind.model_validate(table, context={"base": self._base})
        except pydantic.ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                found = (*place, *fault["loc"])
                is_told = any(bad[: len(found)] == found[: len(bad)] for bad in self._unreadable)
                if not is_told and not (may_lack and fault["type"] == "missing"):
                    self.mistake(found, _meaning(fault["type"], fault["msg"], fault["loc"], kind))
        return None

    def array(self, key: str) -> Iterator[tuple[Place, Any]]:
        """Yield the tables of an array with their places."""
        array = self.tables.get(key, [])
        if isinstance(array, list):
            yield from (((key, index), table) for index, table in enumerate(array))
        else:
            self.mistake((key,), f"write [[{key}]]: there may be several")

    def refuse_unknown_tables(self, known: AbstractSet[str]) -> None:
        for key in self.tables.keys() - known:
            self.mistake((key,), _unknown(key, known))

    def check_unique(self, array: str, key: str, default: str | None = None) -> None:
        seen: dict[str, Place] = {}
        for place, table in self.array(array):
            value = table.get(key, default) if isinstance(table, dict) else None
            if isinstance(value, str) and (first := seen.setdefault(value, place)) != place:
                line = self._line((*first, key))
                self.mistake((*place, key), f"{value!r} is already the {key} of the {array} at line {line}")

    def _resolve(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: self._resolve(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._resolve(inner, (*place, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and value.startswith(("env:", "file:")):
            self._references.add(place)
            return self._referred(value, place)
        return value

    def _referred(self, reference: str, place: Place) -> str:
        kind, _, name = reference.partition(":")
        wrong = "it is empty"
        try:
            text = self._environ[name] if kind == "env" else (self._base / name).read_text("utf-8").strip()
        except KeyError:
            text, wrong = "", "this environment variable is not set"
        except (OSError, ValueError) as error:
            text, wrong = "", getattr(error, "strerror", None) or "not UTF-8 text"
        if not text:
            self._unreadable.append(place)
            self.mistake(place, f"{reference}: {wrong}")
        return text or reference

    def _line(self, place: Place) -> int:
        """Return the line of the innermost thing around `place` that has one; 0 when nothing has."""
        return next((self._lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self._lines), 0)

    def _told(self, place: Place, text: str) -> str:
        """Write a mistake as people find it: `aduan.toml:12: account[wa-utama].sender: missing`."""
        words, here = "", self._written
        for step in place:
            try:
                here = here[step]  # type: ignore[index]  # whatever the file holds
            except (KeyError, IndexError, TypeError):
                here = {}
            if isinstance(step, int):
                own_name = (here.get("id") or here.get("name")) if isinstance(here, dict) else None
                words += f"[{own_name if isinstance(own_name, str) else step + 1}]"
            else:
                words += f".{step}" if words else step
        line = self._line(place)
        return f"{self._name}:{line}: {words}: {text}" if line else f"{self._name}: {words}: {text}"


def _meaning(kind: str, message: str, place: Place, table: type[pydantic.BaseModel]) -> str:
    if kind == "extra_forbidden":
        *around, key = place
        for step in around:
            table = next((inner for name, about in _keys(table) if name == step for inner in _tables(about)), table)
        return _unknown(str(key), {name for name, _ in _keys(table)})
    if kind == "missing":
        return "missing"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def _unknown(key: str, known: AbstractSet[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"unknown key; did you mean {near[0]}?" if near else "unknown key"


def _keys(kind: type[pydantic.BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield every key of a table as it is written, and the type of its value."""
    for name, about in kind.model_fields.items():
        yield about.alias or name, about.annotation


def _tables(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """Yield the kinds of tables within a type."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables(inner)


def _secrets(annotation: Any, value: Any, place: Place) -> Iterator[Place]:
    """Yield the places of all texts in `value` that the type takes for secrets."""
    if annotation is pydantic.SecretStr and isinstance(value, str):
        yield place
    for inner in _inside(annotation, value, place):
        yield from _secrets(*inner)


def _inside(annotation: Any, value: Any, place: Place) -> Iterator[tuple[Any, Any, Place]]:
    """Yield the parts of a type with what they describe; all arms of a union describe the same."""
    arms = get_args(annotation)
    if isinstance(value, list):
        yield from ((arm, item, (*place, index)) for index, item in enumerate(value) for arm in arms)
    elif isinstance(value, dict) and get_origin(annotation) is Mapping:
        yield from ((arms[1], item, (*place, key)) for key, item in value.items())
    elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel) and isinstance(value, dict):
        yield from ((inner, value[key], (*place, key)) for key, inner in _keys(annotation) if key in value)
    else:
        yield from ((arm, value, place) for arm in arms)


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")


def _lines(text: str) -> dict[Place, int]:
    """Return the line of every header and key; tomllib keeps no places. Bare keys are all that our tables have."""
    lines: dict[Place, int] = {}
    arrays: Counter[Place] = Counter()
    here: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            here, words = (), header[2].split(".")
            for depth, word in enumerate(words, 1):
                here = (*here, word.strip())
                if header[1] == "[[" and depth == len(words):
                    arrays[here] += 1
                if here in arrays:
                    here = (*here, arrays[here] - 1)
            lines.setdefault(here, number)
        elif key := _KEY.match(line):
            lines.setdefault((*here, *key[1].split(".")), number)
    return lines
