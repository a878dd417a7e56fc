"""Completion scripts say what the parsers know; each is tried in its own shell where that is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arbeit_cli.commands import COMMANDS
from arbeit_cli.completing.scripts import script
from arbeit_cli.completing.spec import commands

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder

SHELLS = ("bash", "zsh", "fish")


def there(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed here")
    return found


def with_arbeit(folder: Folder) -> dict[str, str]:
    """An environment whose path leads to this command."""
    programs = folder.path / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "arbeit"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m arbeit_cli "$@"\n')
    program.chmod(0o755)
    return {**folder.environment, "PATH": f"{programs}:{folder.environment['PATH']}"}


def bash(folder: Folder, *words: str) -> list[str]:
    """What bash offers for the last word of a command line."""
    program = (
        'eval "$(arbeit completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_arbeit 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [there("bash"), "--norc", "--noprofile", "-c", program, "bash", "arbeit", *words],
        cwd=folder.path,
        env=with_arbeit(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return sorted(filter(None, done.stdout.split("\n")))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_name_every_command_and_every_option(shell: str) -> None:
    text = script(shell)
    for command in commands():
        assert command.name.partition(" ")[0] in text
        for option in command.options:
            assert all((name if shell != "fish" else name.lstrip("-")) in text for name in option.names)
    assert {command.name for command in commands()} == set(COMMANDS)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(script(shell))
    words = {"bash": ["--norc", "-n"], "zsh": ["-f", "-n"], "fish": ["--no-config", "-n"]}[shell]
    done = subprocess.run([there(shell), *words, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_registers_the_function_and_completes_commands_options_choices_and_tasks(folder: Folder) -> None:
    project = folder.begin()
    first, second = (
        project.create_task(title, task_id=name).id for name, title in (("tkt-a.1", "A"), ("tkt-b_2", "B"))
    )
    finished = project.claim("x")
    assert finished is not None
    with finished:
        finished.complete("done", evidence=["x"])
    registered = subprocess.run(
        [there("bash"), "--norc", "-c", 'eval "$(arbeit completion bash)"; complete -p arbeit'],
        env=with_arbeit(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert registered.stdout == "complete -F _arbeit arbeit\n"
    assert bash(folder, "gr") == ["graph"]
    assert bash(folder, "--db", "x", "gr") == ["graph"]
    assert bash(folder, "graph", "--fo") == ["--format"]
    assert bash(folder, "graph", "--format", "") == ["dot", "mermaid", "text"]
    assert bash(folder, "show", "") == [second]
    assert bash(folder, "show", "tkt-x") == []
    assert first not in bash(folder, "brief", "tkt-")
    assert bash(folder, "dep", "a") == ["add"]
    assert bash(folder, "dep", "add", "tkt-") == [second]
    assert bash(folder, "queues", "pa") == ["pause"]
    assert bash(folder, "setup", "cl") == ["claude-code"]
    assert bash(folder, "work", "--loop", "--", "gr") == []
    (folder.path / "plan with space.json").touch()
    assert bash(folder, "import", "pl") == ["plan with space.json"]


def test_completing_is_quiet_where_there_is_no_project(folder: Folder) -> None:
    assert bash(folder, "show", "") == []
    done = folder.run("completion", "tasks")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_fish_offers_commands_choices_and_tasks_with_their_titles(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Mow the lawn")

    def fish(line: str) -> list[str]:
        program = f"arbeit completion fish | source; complete -C {line!r}"
        done = subprocess.run(
            [there("fish"), "--no-config", "-c", program],
            cwd=folder.path,
            env=with_arbeit(folder),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.splitlines()

    assert [line.split("\t")[0] for line in fish("arbeit gra")] == ["graph"]
    assert f"{task.id}\tMow the lawn" in fish("arbeit show ")
    assert [line.split("\t")[0] for line in fish("arbeit graph --format ")] == ["dot", "mermaid", "text"]
    assert [line.split("\t")[0] for line in fish("arbeit dep a")] == ["add"]


def test_zsh_defines_the_function_and_completes_through_its_own_system(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Mow: the lawn")
    program = r"""
        zmodload zsh/zpty || exit 3
        zpty z zsh -f -i
        zpty -w z 'PS1=; setopt no_beep; autoload -Uz compinit; compinit -u -D; zstyle ":completion:*" list-colors ""'
        zpty -w z 'source <(arbeit completion zsh); print ready-$((1 + 1))'
        zpty -r -m z line '*ready-2*' || exit 4
        zpty -w -n z $'arbeit show \t'
        for _ in {1..100}; do
            while zpty -r -t z more; do line+="$more"; done
            [[ $line == *TASK* ]] && exit 0
            sleep 0.1
        done
        print -r -- "$line"; exit 5
    """.replace("TASK", task.id)
    done = subprocess.run(
        [there("zsh"), "-f", "-c", program],
        cwd=folder.path,
        env={**with_arbeit(folder), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 3:
        pytest.skip("this zsh has no zpty")
    assert done.returncode == 0, done.stdout + done.stderr
