"""What holds for the whole repository: layers, names, locks, the clock."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connectors import registry

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "bot", "connectors", "core", "reports", "router", "simulator", "sla", "storage", "web")
CHANNEL_FREE = ("core", "router", "sla", "storage", "web", "reports")
CHANNELS = {"whatsapp", "sms", "telegram", "twilio", "messenger", "instagram", "facebook", "imap"}
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock")
REQUIREMENT = re.compile(r"([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==(\S+)(?: ; [^\\]+)?")


def files(packages, *suffixes):
    return [
        path
        for package in packages
        for path in sorted((ROOT / package).rglob("*"))
        if path.suffix in suffixes and "vendor" not in path.parts
    ]


def words(text: str) -> set[str]:
    """Return the words of a text, those within identifiers of any style as well."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}


def requirements(lock: str) -> dict[str, tuple[str, int]]:
    """Return name -> version and number of hashes; a line that is neither fails."""
    found: dict[str, tuple[str, int]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text("utf-8").strip()):
        head, *hashes = [line.strip() for line in block.split("\\\n")]
        match = REQUIREMENT.fullmatch(head)
        assert match, f"{lock}: {head}"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), f"{lock}: {head}"
        found[match[1]] = (match[2], len(hashes))
    return found


class TestLayers:
    def test_every_import_contract_is_kept(self):
        lint_imports = Path(sys.executable).with_name("lint-imports")
        checked = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert " 0 broken" in checked.stdout

    def test_the_contracts_cover_every_package(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        assert set(project["tool"]["importlinter"]["root_packages"]) == {p for p in PACKAGES if (ROOT / p).is_dir()}

    def test_there_is_no_package_the_architecture_does_not_name(self):
        assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= {*PACKAGES, "bench"}


class TestChannelNames:
    def test_the_list_of_names_is_complete(self):
        # What the middle calls the channels of its own pages is no vendor's name; an e-mail address may be anybody's.
        own = {"email", "webform", "webchat", "walk_in", "phone", "fax", "letter", "suggestion_box"}
        assert all(words(channel) & CHANNELS for channel in set(registry.CHANNELS) - own)

    @pytest.mark.parametrize("package", CHANNEL_FREE)
    def test_no_channel_is_named_in(self, package):
        suffixes = (".py", ".html", ".j2", ".txt", ".xml", ".js", ".css", ".toml")
        named = {
            f"{path.relative_to(ROOT)}:{number}: {', '.join(found)}"
            for path in files([package], *suffixes)
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            if (found := words(line) & CHANNELS)
        }
        assert not named

    # The key of a channel that is a word of everyday as well, where it is the latter.
    OTHER_MEANINGS = frozenset(
        {"app/log.py: email", "app/log.py: phone", "core/model/channels.py: letter", "web/originals.py: letter"}
    )

    def test_the_key_of_a_channel_is_written_by_connectors_and_stand_ins_alone(self):
        # Also of the channels of our own pages: what is done for one of them is done for what it can do.
        named = {
            f"{path.relative_to(ROOT).as_posix()}: {node.value}"
            for path in files([*CHANNEL_FREE, "app", "bot"], ".py")
            if path != ROOT / "app" / "simulation.py"
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in registry.CHANNELS
        }
        assert named == self.OTHER_MEANINGS

    @pytest.mark.parametrize("package", CHANNEL_FREE)
    def test_no_page_asks_for_the_key_of_a_channel(self, package):
        quoted = re.compile(r"""['"]({})['"]""".format("|".join(registry.CHANNELS)))
        asking = [
            f"{path.relative_to(ROOT)}: {found[0]}"
            for path in files([package], ".html", ".j2", ".txt", ".xml", ".js", ".toml")
            for found in quoted.finditer(path.read_text("utf-8"))
        ]
        assert not asking

    def test_words_are_found_within_identifiers(self):
        assert words("sendSMS is_whatsapp_open TwilioRestException telegram2") >= {
            "sms",
            "whatsapp",
            "twilio",
            "telegram",
        }
        assert not words("smsx messengers mailbox") & CHANNELS


class TestClock:
    READS = frozenset(
        f"{owner}.{name}"
        for owner, names in {
            "datetime": ("now", "utcnow", "today"),
            "date": ("today",),
            "time": ("time", "time_ns", "localtime", "gmtime", "ctime"),
        }.items()
        for name in names
    )

    def reads(self, source: str) -> list[str]:
        """Return where the wall clock is read, as `line: name`."""
        found = []
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                name = f"{owner}.{node.attr}"
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                name = next((f"time.{alias.name}" for alias in node.names), "")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "CURRENT_TIMESTAMP" in node.value:
                name = "CURRENT_TIMESTAMP"
            else:
                continue
            if name in self.READS or name == "CURRENT_TIMESTAMP":
                found.append(f"{node.lineno}: {name}")
        return found

    def test_is_read_in_one_place(self):
        readers = {path.relative_to(ROOT).as_posix() for path in files(PACKAGES, ".py") if self.reads(path.read_text())}
        assert readers == {"core/clock.py"}

    @pytest.mark.parametrize(
        "source",
        ["datetime.now(UTC)", "dt.datetime.utcnow()", "date.today()", "time.time()", "from time import time_ns"],
    )
    def test_reading_it_is_noticed(self, source):
        assert self.reads(source)

    @pytest.mark.parametrize(
        "source", ["clock.now()", "time.monotonic()", "datetime.combine(a, b)", "self._clock.now()"]
    )
    def test_what_does_not_read_it_is_let_be(self, source):
        assert not self.reads(source)


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_every_requirement_has_a_version_and_hashes(self, lock):
        found = requirements(lock)
        assert found
        assert all(hashes for _, hashes in found.values())

    @pytest.mark.parametrize("lock", [*LOCKS, "package-lock.json", "package.json", ".npmrc", "Makefile", ".ci/setup"])
    def test_no_address_is_written_into(self, lock):
        assert "://" not in (ROOT / lock).read_text("utf-8")

    def test_the_runtime_is_the_same_where_tests_run(self):
        runtime, dev = requirements("requirements.lock"), requirements("requirements-dev.lock")
        assert {name: dev.get(name) for name in runtime} == runtime

    def test_whatever_the_project_asks_for_is_locked(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

        def names(asked):
            return {re.split(r"[\[=<>~! ]", item, maxsplit=1)[0].lower() for item in asked}

        built_with = names(project["build-system"]["requires"])
        assert names(project["project"]["dependencies"]) | built_with <= requirements("requirements.lock").keys()
        assert names(project["dependency-groups"]["dev"]) <= requirements("requirements-dev.lock").keys()

    def test_scripts_of_pages_are_pinned_and_have_a_hash(self):
        lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
        asked = json.loads((ROOT / "package.json").read_text("utf-8"))["dependencies"]
        packages = {name: about for name, about in lock["packages"].items() if name}
        assert {name.removeprefix("node_modules/"): about["version"] for name, about in packages.items()} == asked
        assert all(about["integrity"].startswith("sha512-") for about in packages.values())
