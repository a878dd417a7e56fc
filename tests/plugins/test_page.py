"""The page on plug-ins lists the hooks there are, as they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from arbeit import hookspecs
from arbeit.plugins import NOTICES

PAGE = (Path(__file__).parents[2] / "docs/how-to/write-a-plugin.md").read_text()
HOOKS = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("arbeit_")}


def test_the_hooks_of_the_page_have_the_signatures_and_meanings_of_the_code() -> None:
    said = re.findall(r"^\| `(arbeit_.+?)` \| (.+?) \|$", PAGE, re.MULTILINE)
    code = [(f"{name}{inspect.signature(spec)}".replace("'", ""), inspect.getdoc(spec)) for name, spec in HOOKS.items()]
    assert said == code


def test_each_hook_is_said_in_one_line() -> None:
    assert len(HOOKS) == 6
    assert [name for name, spec in HOOKS.items() if "\n" in (inspect.getdoc(spec) or "\n")] == []


def test_the_page_names_every_notice() -> None:
    assert [name for name in sorted(NOTICES) if f"`{name}`" not in PAGE] == []
