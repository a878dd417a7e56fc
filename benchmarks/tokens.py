"""What the agent tools cost a model: tokens of their lists, and of whole exchanges.

Counted with o200k_base, a public tokenizer; other models' tokenizers differ by some per cent.
"""

from __future__ import annotations

import json
from typing import Any

import bpe_openai

import arbeit.sync
from arbeit.sync import Toolset
from arbeit.toolset import PROFILES, schemas
from benchmarks.measure import Cell, Settings, Table

_O200K = bpe_openai.get_encoding("o200k_base")


def _cost(text: str) -> tuple[int, int]:
    return len(_O200K.encode(text)), len(text.encode())


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def run(settings: Settings) -> list[Table]:
    """Count; nothing here depends on the machine or the settings."""
    del settings
    return [_lists(), _exchange()]


def _lists() -> Table:
    rows: list[list[Cell]] = []
    for profile, names in PROFILES.items():
        for shape in ("mcp", "openai", "anthropic"):
            tokens, size = _cost(_compact(schemas(shape, profile)))
            rows.append([f"{profile}, {shape}", str(len(names)), f"{tokens:,}", f"{size:,}"])
    goal = "goals: core at most 8 tools, 1,500 tokens and 4,500 bytes; standard under 4,000 tokens"
    return Table("Tool lists", ("profile, format", "tools", "tokens", "bytes"), rows, (goal,))


def _exchange() -> Table:
    """Create, claim, report, complete: each call with its arguments and its whole answer."""
    with arbeit.sync.open("memory://", actor="impl-1") as hub:
        box = Toolset(hub.project("demo", create=True))
        spent: list[tuple[str, int, int]] = []

        def call(name: str, **arguments: Any) -> Any:  # noqa: ANN401 - the answer's data
            answer = box.call(name, arguments)
            assert answer["success"], answer
            tokens, size = _cost(_compact([name, arguments]) + _compact(answer))
            spent.append((name, tokens, size))
            return answer["data"]

        call("arbeit_task_create", title="Fix the flaky test", intent="CI is red twice a day", priority="high")
        task = call("arbeit_task_claim")["task"]["id"]
        call("arbeit_context_add", task_id=task, type="decision", content="Pin the seed: it follows the hash order")
        call("arbeit_progress_add", task_id=task, items=["Reproduced with PYTHONHASHSEED=7"], completed=True)
        call("arbeit_task_complete", task_id=task, outcome="Seed pinned", evidence=["pytest -q: 41 passed"])
    spent.append(("all of it", sum(row[1] for row in spent), sum(row[2] for row in spent)))
    claim, complete = spent[1], spent[4]
    spent.append(("claim and complete alone", claim[1] + complete[1], claim[2] + complete[2]))
    rows = [[name, f"{tokens:,}", f"{size:,}"] for name, tokens, size in spent]
    goal = "goal: claim and complete under 1,500 bytes"
    return Table("A whole exchange", ("call and answer", "tokens", "bytes"), rows, (goal,))
