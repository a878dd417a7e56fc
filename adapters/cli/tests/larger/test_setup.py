"""`arbeit setup` changes what it shows, once, keeps all else as it is, and takes it back."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit_cli.setting_up import jsonc

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder

AGENTS = ("claude-code", "codex", "cursor", "gemini", "opencode")
SERVER = {"command": "arbeit-mcp", "args": []}
LOCAL = {"type": "local", "command": ["arbeit-mcp"], "enabled": True}


def files(path: Path) -> dict[str, bytes]:
    """Every file below a folder but Arbeit's own."""
    found = (one for one in path.rglob("*") if one.is_file() and not {".arbeit", "state"} & {*one.parts})
    return {str(one.relative_to(path)): one.read_bytes() for one in found}


def folders(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*") if one.is_dir() and "state" not in one.parts}


@pytest.mark.parametrize("agent", AGENTS)
def test_setting_up_twice_changes_nothing_more_and_undoing_leaves_no_trace(folder: Folder, agent: str) -> None:
    folder.begin()
    before = files(folder.path), folders(folder.path)
    first = folder.run("setup", agent, "--cli", "--mcp", "--yes")
    assert first.returncode == 0, first.stderr
    once = files(folder.path)
    assert once != before[0]
    again = folder.run("setup", agent, "--cli", "--mcp", "--yes")
    assert (again.returncode, "in place already" in again.stdout) == (0, True)
    assert files(folder.path) == once
    assert folder.run("setup", agent, "--undo", "--yes").returncode == 0
    assert (files(folder.path), folders(folder.path)) == before


def test_each_agent_gets_the_entry_that_it_reads(folder: Folder) -> None:
    folder.begin()
    for agent in AGENTS:
        assert folder.run("setup", agent, "--cli", "--mcp", "--yes").returncode == 0
    path = folder.path

    def said(name: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((path / name).read_text())

    hooks = said(".claude/settings.json")["hooks"]
    for event in ("SessionStart", "PreCompact"):
        assert hooks[event] == [{"matcher": "", "hooks": [{"type": "command", "command": "arbeit prime"}]}]
    assert said(".mcp.json") == {"mcpServers": {"arbeit": SERVER}}
    assert said(".cursor/mcp.json") == {"mcpServers": {"arbeit": SERVER}}
    assert said(".gemini/settings.json") == {"mcpServers": {"arbeit": SERVER}}
    assert said("opencode.json")["mcp"] == {"arbeit": LOCAL}
    toml = tomllib.loads((path / ".codex/config.toml").read_text())
    assert toml == {"mcp_servers": {"arbeit": {"command": "arbeit-mcp"}}}
    rule = (path / ".cursor/rules/arbeit.mdc").read_text()
    assert rule.startswith("---\ndescription: ")
    assert "\nalwaysApply: true\n---\n" in rule
    for name in ("CLAUDE.md", "AGENTS.md", "GEMINI.md"):
        assert (path / name).read_text().count("arbeit:begin") == 1
        assert "a name of its own: `export ARBEIT_AGENT=NAME`, or `--as NAME`" in (path / name).read_text()
    assert "a name of its own: `export ARBEIT_AGENT=NAME`" in rule


@pytest.mark.parametrize("agent", [agent for agent in AGENTS if agent != "claude-code"])
def test_lines_about_the_tools_say_that_each_session_needs_a_name(folder: Folder, agent: str) -> None:
    folder.begin()
    assert folder.run("setup", agent, "--mcp", "--yes").returncode == 0
    written = [path.read_text() for path in folder.path.rglob("*") if path.suffix in {".md", ".mdc"}]
    assert any("Each agent needs a name of its own" in text and "ARBEIT_AGENT" in text for text in written)


def test_for_all_projects_the_users_own_files_change(folder: Folder) -> None:
    folder.begin()
    home = folder.path / "home"
    for agent in AGENTS:
        words = ["setup", agent, "--global", "--yes"]
        assert folder.run(*words, *(["--mcp"] if agent != "claude-code" else ["--cli"])).returncode == 0
    names = {name for name in files(home) if "state" not in name}
    assert names == {
        ".claude/settings.json",
        ".claude/CLAUDE.md",
        ".codex/config.toml",
        ".codex/AGENTS.md",
        ".cursor/mcp.json",
        ".config/opencode/opencode.json",
        ".config/opencode/AGENTS.md",
        ".gemini/settings.json",
        ".gemini/GEMINI.md",
    }
    for agent in AGENTS:
        assert folder.run("setup", agent, "--global", "--undo", "--yes").returncode == 0
    assert {name for name in files(home) if "state" not in name} == set()


@pytest.mark.parametrize("words", [["claude-code", "--mcp"], ["cursor", "--cli"]])
def test_what_an_agent_has_no_file_for_is_refused_with_the_way_there_is(folder: Folder, words: list[str]) -> None:
    done = folder.run("setup", *words, "--global", "--yes")
    assert done.returncode == 2
    assert "claude mcp add" in done.stderr or "--global --mcp" in done.stderr


def test_without_a_terminal_and_without_yes_it_shows_the_diff_and_changes_nothing(folder: Folder) -> None:
    folder.begin()
    before = files(folder.path)
    asked = folder.run("setup", "codex", "--mcp")
    assert asked.returncode == 2
    assert '+[mcp_servers.arbeit]\n+command = "arbeit-mcp"\n' in asked.stdout
    assert "--yes" in asked.stderr
    dry = folder.run("setup", "codex", "--mcp", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, asked.stdout)
    as_json = folder.run("setup", "codex", "--mcp", "--dry-run", "--json")
    said = json.loads(as_json.stdout)["data"]
    assert (said["changed"], [one["action"] for one in said["files"]]) == (False, ["create", "create"])
    assert files(folder.path) == before


AWKWARD = {
    "tabs": '{\n\t"mcpServers": {\n\t\t"other": {"command": "x"} // mine\n\t},\n\t"z": 1\n}\n',
    "crlf": '{\r\n    "mcpServers": {\r\n        "other": {}\r\n    }\r\n}\r\n',
    "no newline at the end": '{"a": [1, 2]}',
    "comments and trailing commas": (
        '// top\n{\n  /* in */\n  "a": 1, // one\n  "mcpServers": {\n    "b": {},\n  },\n}\n// end'
    ),
    "byte order mark": '\ufeff{\n  "a": "ö"\n}\n',
    "empty": "",
    "blank object": "{\n\n}\n",
    "one line": '{ "mcpServers": { "x": {} } }\n',
    "escapes": '{\n  "a": "\\u00e9 \\"}{",\n  "b": null\n}\n',
}


@pytest.mark.parametrize("shape", AWKWARD)
def test_awkward_files_keep_everything_and_come_back_byte_for_byte(folder: Folder, shape: str) -> None:
    path = folder.path / ".mcp.json"
    path.write_bytes(AWKWARD[shape].encode())
    path.chmod(0o640)
    assert folder.run("setup", "claude-code", "--mcp", "--yes").returncode == 0
    text = path.read_bytes().decode()
    before = jsonc.read(AWKWARD[shape].lstrip("\ufeff")).value if AWKWARD[shape] else {}
    after = jsonc.read(text.lstrip("\ufeff")).value
    assert after["mcpServers"].pop("arbeit") == SERVER
    if "mcpServers" not in before:
        del after["mcpServers"]
    assert after == before
    assert text.startswith("\ufeff") == AWKWARD[shape].startswith("\ufeff")
    assert ("\r\n" in text) == ("\r\n" in AWKWARD[shape])
    assert text.count("\n") - text.count("\r\n") == 0 or "\r\n" not in AWKWARD[shape]
    for remark in ("// mine", "// top", "/* in */", "// one", "// end"):
        assert (remark in text) == (remark in AWKWARD[shape])
    assert folder.run("setup", "claude-code", "--undo", "--yes").returncode == 0
    assert path.read_bytes() == AWKWARD[shape].encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_changed_since_keeps_the_change_when_ours_is_taken_out(folder: Folder) -> None:
    settings = folder.path / ".claude" / "settings.json"
    settings.parent.mkdir()
    mine = {"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "mine"}]}]}, "model": "x"}
    settings.write_text(json.dumps(mine, indent=4))
    assert folder.run("setup", "claude-code", "--cli", "--yes").returncode == 0
    text = settings.read_text()
    assert json.loads(text)["hooks"]["SessionStart"][0] == mine["hooks"]["SessionStart"][0]  # type: ignore[index]
    settings.write_text(text.replace('"x"', '"y"'))
    assert folder.run("setup", "claude-code", "--undo", "--yes").returncode == 0
    assert json.loads(settings.read_text()) == {**mine, "model": "y"}
    assert settings.read_text() == json.dumps({**mine, "model": "y"}, indent=4)


def test_words_around_our_lines_stay_and_our_lines_are_brought_up_to_date(folder: Folder) -> None:
    notes = folder.path / "AGENTS.md"
    notes.write_text("# Mine\r\n\r\nBe kind.", newline="")
    assert folder.run("setup", "codex", "--cli", "--yes").returncode == 0
    text = notes.read_bytes().decode()
    assert text.startswith("# Mine\r\n\r\nBe kind.\r\n\r\n<!-- arbeit:begin -->\r\n")
    assert text.count("\n") == text.count("\r\n")
    notes.write_text(text.replace("Work in this project", "Old words") + "Mine too.\r\n", newline="")
    assert folder.run("setup", "codex", "--cli", "--yes").returncode == 0
    newer = notes.read_bytes().decode()
    assert "Old words" not in newer
    assert newer == text + "Mine too.\r\n"
    assert folder.run("setup", "codex", "--undo", "--yes").returncode == 0
    assert notes.read_bytes().decode() == "# Mine\r\n\r\nBe kind.\r\n" + "Mine too.\r\n"


def test_toml_keeps_its_remarks_and_tables_and_comes_back_byte_for_byte(folder: Folder) -> None:
    config = folder.path / ".codex" / "config.toml"
    config.parent.mkdir()
    mine = '# mine\nmodel = "x" # yes\n\n[mcp_servers.other]\ncommand = "y"'
    config.write_text(mine)
    assert folder.run("setup", "codex", "--mcp", "--yes").returncode == 0
    assert config.read_text().startswith(mine)
    said = tomllib.loads(config.read_text())
    assert said["mcp_servers"] == {"other": {"command": "y"}, "arbeit": {"command": "arbeit-mcp"}}
    assert folder.run("setup", "codex", "--undo", "--yes").returncode == 0
    assert config.read_text() == mine


BROKEN = {
    ".mcp.json": [
        "{",
        '{"mcpServers": []}',
        '{"a": 1} x',
        "[]",
        '{"a" 1}',
        '{"a": tru}',
        '{"mcpServers": {"arbeit": 1,,}}',
    ],
    ".codex/config.toml": ["a = ", "mcp_servers = {}", "# arbeit:begin\n"],
    "AGENTS.md": ["<!-- arbeit:begin -->\nno end", "<!-- arbeit:end -->\n<!-- arbeit:begin -->\n"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BROKEN.items() for text in texts])
def test_a_file_that_cannot_be_understood_is_left_alone_and_named(folder: Folder, name: str, text: str) -> None:
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    before = files(folder.path)
    agent = "claude-code" if name == ".mcp.json" else "codex"
    done = folder.run("setup", agent, "--mcp", "--yes")
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert files(folder.path) == before


def test_bytes_that_are_no_text_and_links_to_nowhere_are_left_alone(folder: Folder) -> None:
    path = folder.path / ".mcp.json"
    path.write_bytes(b"\xff\xfe{")
    assert folder.run("setup", "claude-code", "--mcp", "--yes").returncode == 2
    assert path.read_bytes() == b"\xff\xfe{"
    path.unlink()
    path.symlink_to("nowhere.json")
    assert folder.run("setup", "claude-code", "--mcp", "--yes").returncode == 2
    assert path.is_symlink()


def test_a_link_stays_a_link_and_its_target_changes(folder: Folder) -> None:
    real = folder.path / "shared.json"
    real.write_text("{}")
    path = folder.path / ".mcp.json"
    path.symlink_to(real)
    assert folder.run("setup", "claude-code", "--mcp", "--yes").returncode == 0
    assert path.is_symlink()
    assert json.loads(real.read_text()) == {"mcpServers": {"arbeit": SERVER}}
    assert folder.run("setup", "claude-code", "--undo", "--yes").returncode == 0
    assert (path.is_symlink(), real.read_text()) == (True, "{}")


def test_an_entry_that_its_owner_made_stays_as_it_is(folder: Folder) -> None:
    own = {"mcpServers": {"arbeit": {"command": "arbeit-mcp", "args": ["--project", "mine"]}}}
    path = folder.path / ".mcp.json"
    path.write_text(json.dumps(own))
    done = folder.run("setup", "claude-code", "--mcp", "--yes")
    assert (done.returncode, "left as it is" in done.stderr) == (0, True)
    assert folder.run("setup", "claude-code", "--undo", "--yes").returncode == 0
    assert json.loads(path.read_text()) == own


def test_a_file_that_two_agents_share_stays_until_both_are_taken_back(folder: Folder) -> None:
    for agent in ("codex", "opencode"):
        assert folder.run("setup", agent, "--cli", "--yes").returncode == 0
    first = folder.run("setup", "codex", "--undo", "--yes")
    assert (first.returncode, "opencode" in first.stderr) == (0, True)
    assert "arbeit:begin" in (folder.path / "AGENTS.md").read_text()
    assert folder.run("setup", "opencode", "--undo", "--yes").returncode == 0
    assert not (folder.path / "AGENTS.md").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to the administrator")
def test_a_folder_that_cannot_be_written_gives_a_clear_error(folder: Folder) -> None:
    folder.path.chmod(0o555)
    try:
        done = folder.run("setup", "claude-code", "--mcp", "--yes")
    finally:
        folder.path.chmod(0o755)
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)


# -- the reader, against the standard library's and against itself ----------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(max_size=5), _VALUES, max_size=4)


@given(_VALUES, st.sampled_from([None, 1, 2, "\t"]))
def test_it_reads_what_the_standard_library_writes(value: object, indent: int | str | None) -> None:
    assert jsonc.read(json.dumps(value, indent=indent)).value == value


@given(_OBJECTS, st.sampled_from([None, 2, "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_putting_something_in_and_taking_it_out_gives_the_same_bytes(
    value: dict[str, object], indent: int | str | None, newline: str
) -> None:
    text = json.dumps(value, indent=indent).replace("\n", newline)
    path = ("a new name", "below")
    changed = jsonc.put(text, path, SERVER)
    assert jsonc.read(changed).value == {**value, "a new name": {"below": SERVER}}
    assert jsonc.drop(changed, path) == text


@given(st.text(alphabet='{}[]",:/*\\ \n1tx', max_size=30))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    said = ""
    try:
        jsonc.read(text)
    except jsonc.MalformedError as error:
        said = str(error)
    assert not said or said.startswith("line ")
