"""What a simulated world is made of: drawn from a seed, and as plain data, so that it can be made smaller."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, get_args

from attrs import frozen

Fault = Literal[
    "fail",
    "lose_reply",
    "lose_commit",
    "fail_read",
    "stall",
    "lose_hint",
    "false_hint",
    "kill",
    "pause",
    "jump",
    "drift",
    "partition",
    "failover",
]
"""What may befall a fleet.

fail: an error before the commit. lose_reply: committed, and the answer is lost. lose_commit: neither. fail_read: a
read that fails. stall: a call that takes seconds. lose_hint, false_hint: a commit of another process goes unnoticed,
or one is noticed that never was. kill: a process dies, and comes back empty. pause: it stands still, and goes on
later as if nothing had been. jump, drift: its clock is set, or runs fast or slow. partition: it does not reach the
store. failover: the store is away for all, what was under way is decided either way, and its clock is another's.
"""
FAULTS: tuple[Fault, ...] = get_args(Fault)
NO_FAULTS: tuple[Fault, ...] = ()
Role = Literal["planner", "doer", "sloth", "zombie", "reviewer", "supervisor", "liar", "repeater", "reader", "shell"]
ROLES: tuple[Role, ...] = get_args(Role)


@frozen
class Member:
    """One agent: its name, its role, the process that it lives in and the project that it works for."""

    name: str
    role: Role
    process: int
    project: str


@frozen
class Config:
    """One world. The same config gives the same history, to the last line.

    Attributes:
        seed: where all chance comes from.
        steps: commands that agents send before the faults end; finishing what is left comes on top.
        store: "memory", "sqlite" or "postgres", or a backend of your own.
        processes: how many there are.
        members: who lives in them.
        projects: their settings, by key.
        faults: what may befall them.
        rate: how often, as a factor; 1 is rough weather.
        agents: how many were asked for; None where that was drawn.
    """

    seed: int
    steps: int
    store: str
    processes: int
    members: tuple[Member, ...]
    projects: Mapping[str, Mapping[str, Any]]
    faults: tuple[Fault, ...] = FAULTS
    rate: float = 1.0
    agents: int | None = None


def drawn(
    seed: int,
    *,
    steps: int = 1_000,
    store: str = "memory",
    agents: int | None = None,
    faults: tuple[Fault, ...] | None = None,
) -> Config:
    """The world of a seed: how large, how rough, under which policies, is all drawn from it.

    Where `agents` or `faults` are given, they are so and the rest is as it would be.
    """
    random = Random(f"{seed}/config")
    processes = random.choice((1, 2, 2, 3, 4))
    projects = {f"p{number}": _settings(random) for number in range(random.choice((1, 1, 1, 2)))}
    count = random.choice((6, 10, 15, 25))
    count = agents if agents is not None else count
    drawn_faults = tuple(fault for fault in FAULTS if random.random() < 0.7)
    rate = random.choice((0.3, 1.0, 1.0, 2.0))
    return Config(
        seed=seed,
        steps=steps,
        store=store,
        processes=processes,
        members=tuple(_members(random, count, processes, list(projects))),
        projects=projects,
        faults=faults if faults is not None else drawn_faults,
        rate=rate,
        agents=agents,
    )


CREW: tuple[Role, ...] = ("planner", "doer", "doer", "reviewer", "supervisor")
"""Without these nothing gets done, so every project has them; they come first among the members."""
_OTHERS: tuple[Role, ...] = (
    *("doer",) * 6,
    *("planner",) * 2,
    *("reviewer",) * 2,
    "sloth",
    "zombie",
    "zombie",
    "liar",
    "repeater",
    "reader",
    "shell",
)


def _members(random: Random, count: int, processes: int, projects: list[str]) -> list[Member]:
    roles = [(role, project) for project in projects for role in CREW]
    while len(roles) < count:
        roles.append((random.choice(_OTHERS), random.choice(projects)))
    return [
        Member(f"{role}-{number}", role, random.randrange(processes), project)
        for number, (role, project) in enumerate(roles)
    ]


def _settings(random: Random) -> dict[str, Any]:
    """Policies at random: short leases, as time passes quickly here."""
    settings: dict[str, Any] = {
        "lease_length": {"name": "jittered", "ttl": random.choice((2, 5, 15)), "spread": 10},
        "retry": random.choice(("at_once", {"name": "exponential", "base": 1, "cap": 8})),
        "ranking": random.choice(("aged_priority", "aged_priority", "first_ready", "earliest_due")),
        "completion": random.choice(("evidence", "none", "checklist")),
        "preemption": random.choice(
            ({"name": "on_request", "grace": 2}, {"name": "critical_waits", "patience": 3, "grace": 2})
        ),
        "review": random.choice(("none", "none", "required")),
        "incomplete_children": random.choice(("refuse", "refuse", "warn")),
    }
    if random.random() < 0.3:
        settings["lease_length"]["max_runtime"] = 20
    return settings
