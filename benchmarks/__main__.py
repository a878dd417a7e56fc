"""Runs benchmarks by name and prints their tables."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import Settings, Table, machine

NAMES = (
    "steps",
    "drain",
    "claim",
    "core",
    "wake",
    "verify",
    "startup",
    "cli",
    "processes",
    "growth",
    "tokens",
    "exchange",
    "imports",
    "meaning",
    "postgres",
    "postgres_drain",
    "postgres_wake",
    "postgres_claim",
    "renewals",
)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; none: all")
    parser.add_argument("--quick", action="store_true", help="a second or two each: proves that it runs")
    parser.add_argument("--rounds", type=int, help="rounds per measurement (default 5, quick 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    parser.add_argument("--dir", type=Path, metavar="FOLDER", help="where databases are made: the disk measured")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.list:
        for name in NAMES:
            print(f"{name:14} {_module(name).__doc__.partition(chr(10))[0]}")
        return 0
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="arbeit-bench-") as folder:
        settings = Settings(Path(folder), options.quick, options.rounds or (2 if options.quick else 5))
        found = _run(options.names or NAMES, settings)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _module(name: str) -> Any:  # noqa: ANN401 - each has run(settings) and a docstring
    return import_module(f"benchmarks.{name}")


def _run(names: list[str] | tuple[str, ...], settings: Settings) -> dict[str, Any]:
    about = machine(settings.folder)
    found: dict[str, Any] = {"machine": about, "quick": settings.quick, "rounds": settings.rounds}
    for what, text in about.items():
        print(f"{what:7} {text}")
    print(f"rounds  {settings.rounds}, alternating; median [least .. greatest]", flush=True)
    for name in names:
        begun = time.perf_counter()
        tables: list[Table] = _module(name).run(settings)
        print(f"\n== {name} ({time.perf_counter() - begun:.0f} s)")
        print("\n\n".join(table.render() for table in tables), flush=True)
        found[name] = [table.plain() for table in tables]
    return found


if __name__ == "__main__":
    sys.exit(main())
