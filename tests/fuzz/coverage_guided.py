"""Coverage-guided fuzzing of parsers, by hand: `python -m tests.fuzz.coverage_guided TARGET --seconds N`.

Needs atheris, which is in no extra: `pip install atheris` into an environment of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

Target = Callable[[bytes], None]


def search() -> Target:
    """A text to search for, and its place in itself."""
    from arbeit.core import searching

    def one(data: bytes) -> None:
        text = data.decode(errors="replace")
        sought = searching.parse(text)
        searching.snippet(sought, text)
        searching.score(sought, {"title": text})

    return one


SEEDS: dict[str, tuple[bytes, ...]] = {
    "search": (b'"a phrase" begin* this or that -without',),
    "plan": (
        b'{"arbeit":1,"kind":"plan","tasks":[{"id":"a","title":"t","parent_id":"b","blocked_by":["c"]}]}',
        b'{"master":{"tasks":[{"id":1,"title":"t","dependencies":["2"],"subtasks":[{"id":1,"title":"s"}]}]}}',
    ),
}
"""Where to begin: chance does not come upon JSON by itself."""


def plan() -> Target:
    """A file with a plan."""
    from arbeit.exchange.plan import read_plan

    def one(data: bytes) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "plan.json"
            path.write_bytes(data)
            read_plan(path)

    return one


TARGETS: dict[str, Callable[[], Target]] = {"search": search, "plan": plan}


def main() -> int:
    """Fuzz one target for so many seconds; what libFuzzer says, it says on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    if find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed here: pip install atheris, in an environment of its own\n")
        return 2
    atheris = import_module("atheris")
    # What is imported before is not watched: so nothing of Arbeit's is, and this comes first.
    with atheris.instrument_imports(include=["arbeit"]):
        target, refusal = TARGETS[asked.target](), import_module("arbeit.core.errors").ArbeitError

    def one(data: bytes) -> None:
        with suppress(refusal):
            target(data)

    with TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[asked.target]):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={asked.seconds}", "-max_len=4096", folder], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
