"""What mutmut is asked for: mutants of our modules, the tests that reach them, verdicts kept beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import (
    copy_also_copy_files,
    copy_src_dir,
    setup_source_paths,
    walk_mutatable_files,
)
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

from tests.mutation.judge import KILLED, SURVIVED, TIMEOUT, Judge, Reach
from tests.mutation.standing import Standing, Survivor

FRESH = ("tests/policies", "tests/core/test_limits.py", "tests/core/test_commands.py", "tests/core/test_readiness.py")
"""The tests that judge what runs while modules are imported: it makes checks of fields, and policies by name."""

_IMPORTED = """
import arbeit.core.batch, arbeit.policies
from mutmut.state import state
print(*state()._stats)
"""


@frozen
class Mutants:
    """The mutants of a copy of the tree, which the working directory has to be.

    Attributes:
        explained: the (function, change) of survivors that no test can catch.
    """

    explained: frozenset[tuple[str, str]]

    def generate(self) -> None:
        """Make mutants of what changed, and find out which tests reach them."""
        set_mutant_under_test("mutant_generation")
        os.environ["PYTEST_PLUGINS"] = "tests.mutation.unshrunk"
        Path("mutants").mkdir(exist_ok=True)
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        mutmut.create_mutants(2)
        # More tests catch no fewer mutants: what was caught by those of an earlier selection stays caught.
        mutmut.collect_or_load_stats(get_mutant_runner(1), apply_config_invalidation=False)

    def judge(self, modules: Sequence[str], *, budget: float, seconds: float) -> None:
        """Judge the mutants of these modules that are not known to be caught or explained, for so long at most."""
        tables = [self._table(path) for path in self._paths(modules)]
        home = {mutant: table for table in tables for mutant in table.exit_code_by_key}
        known = {it.mutant for table in tables for it in self._surviving(table) if self._explains(it)}
        settled = {mutant for mutant, table in home.items() if table.exit_code_by_key[mutant] in {KILLED, TIMEOUT}}
        todo = [mutant for mutant in home if mutant not in settled | known]
        # Those that were never judged come first: what catches them is what is tried first on survivors.
        todo.sort(key=lambda mutant: home[mutant].exit_code_by_key[mutant] is not None)
        until, folder = time.monotonic() + seconds, Path.cwd()

        def report(mutant: str, verdict: int, took: float) -> None:
            home[mutant].exit_code_by_key[mutant] = verdict
            home[mutant].durations_by_key[mutant] = took
            with chdir(folder):
                home[mutant].save()

        early = run_by_imports()
        inner = [mutant for mutant in todo if mangled_name_from_mutant_name(mutant) not in early]
        _judge_in_forks(inner, budget, report, until)
        for mutant in todo:
            if mangled_name_from_mutant_name(mutant) in early and time.monotonic() < until:
                judge_afresh(mutant, report)

    def standing(self, modules: Sequence[str]) -> list[Standing]:
        """What is known of each of these modules that has mutants."""
        tables = [self._table(path) for path in self._paths(modules)]
        return [self._standing(table) for table in tables if table.exit_code_by_key]

    def _standing(self, table: SourceFileMutationData) -> Standing:
        survivors = list(self._surviving(table))
        fresh = tuple(it for it in survivors if not self._explains(it))
        verdicts = Counter(status_by_exit_code[code] for code in table.exit_code_by_key.values())
        seconds = sum(table.durations_by_key.get(mutant) or 0.0 for mutant in table.exit_code_by_key)
        return Standing(str(table.path), verdicts, len(survivors) - len(fresh), fresh, seconds)

    def _explains(self, it: Survivor) -> bool:
        return (it.function, it.change) in self.explained

    def _surviving(self, table: SourceFileMutationData) -> Iterator[Survivor]:
        """The mutants of a module that no test catches, whether or not one reaches them."""
        for mutant, code in table.exit_code_by_key.items():
            if status_by_exit_code[code] in {"survived", "no tests"}:
                shown = get_diff_for_mutant(mutant, path=table.path)
                lines = [line for line in shown.splitlines()[2:] if line[:1] in {"-", "+"}]
                change = " ".join(" ".join(line.split()) for line in lines)
                yield Survivor(mutant, mangled_name_from_mutant_name(mutant), change, shown)

    def _paths(self, modules: Sequence[str]) -> list[str]:
        """The files below arbeit/ whose paths begin so, in the order asked for."""
        files = sorted(map(str, walk_mutatable_files()))
        return [
            file
            for module in modules
            for file in files
            if file == f"arbeit/{module}.py" or file.startswith(f"arbeit/{module}/")
        ]

    def _table(self, path: str) -> SourceFileMutationData:
        table = SourceFileMutationData(path=path)
        table.load()
        return table


def run_by_imports() -> set[str]:
    """The functions that run while modules are imported: a fork of one that has imported them comes too late."""
    return set(_afresh("-c", _IMPORTED, mutant="stats").stdout.split())


def judge_afresh(mutant: str, report: Callable[[str, int, float], None]) -> None:
    """Judge a mutant in an interpreter of its own, by the tests of what is made at import."""
    _require_passing()
    began = time.monotonic()
    found = _tested_afresh(mutant)
    report(mutant, SURVIVED if found.returncode == 0 else KILLED, time.monotonic() - began)


@cache
def _require_passing() -> None:
    """See once that these tests pass where nothing is broken: whatever fails them anyhow would count as a catch."""
    found = _tested_afresh("")
    if found.returncode:
        sys.exit(f"the tests of what is made at import fail without any mutant:\n{found.stdout[-2000:]}")


def _tested_afresh(mutant: str) -> subprocess.CompletedProcess[str]:
    return _afresh("-m", "pytest", "-x", "-q", *config().pytest_add_cli_args, *FRESH, mutant=mutant)


def _afresh(*words: str, mutant: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MUTANT_UNDER_TEST": mutant, "PYTHONPATH": "."}
    return subprocess.run([sys.executable, *words], cwd="mutants", env=env, capture_output=True, text=True, check=False)


def _judge_in_forks(todo: list[str], budget: float, report: Callable[[str, int, float], None], until: float) -> None:
    reach = Reach(dict(state().tests_by_mangled_function_name), dict(state().duration_by_test))
    wanted = sorted({name.partition("::")[0] for mutant in todo for name in reach.of(mutant)})
    set_mutant_under_test("")
    if wanted:
        plugin = Judge(todo, reach, budget, report, until)
        # A traceback with source would parse a module of thousands of mutants, which takes seconds.
        options = ["--rootdir=.", "-q", "--capture=sys", "--tb=native", "-o", "timeout=60"]
        options += [f"--basetemp={Path.cwd() / 'scratch'}", *config().pytest_add_cli_args]
        with chdir("mutants"):
            pytest.main([*options, *wanted], plugins=[plugin])
