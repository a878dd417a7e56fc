"""The list of mutants that no test can catch says why for each, and speaks of functions that there are."""

import importlib
import re
import tomllib
from pathlib import Path

LISTED = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text("utf-8")).get("survivor", [])
MANGLED = re.compile(r"(?P<module>arbeit(\.\w+)+?)\.x(ǁ(?P<owner>\w+)ǁ|_)(?P<name>\w+)")


def test_every_listed_mutant_has_its_function_its_change_and_a_reason() -> None:
    assert [set(entry) for entry in LISTED] == [{"function", "change", "reason"}] * len(LISTED)
    assert [entry for entry in LISTED if not all(str(value).strip() for value in entry.values())] == []
    listed = [(entry["function"], entry["change"]) for entry in LISTED]
    assert len(set(listed)) == len(listed)


def test_every_listed_mutant_is_of_a_function_that_exists() -> None:
    missing = []
    for entry in LISTED:
        parts = MANGLED.fullmatch(entry["function"])
        assert parts is not None, entry
        home = importlib.import_module(parts["module"])
        owner = getattr(home, parts["owner"], None) if parts["owner"] else home
        if not hasattr(owner, parts["name"]):
            missing.append(entry["function"])
    assert missing == []
