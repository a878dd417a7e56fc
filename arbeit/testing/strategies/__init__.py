"""Hypothesis strategies for everything that goes into Arbeit or comes out: sound by construction.

    from hypothesis import given
    from arbeit.testing import strategies as a

    @given(a.command(commands.CreateTask, queue="docs"))
    def test_my_face_takes_every_task(command): ...

They need Hypothesis, which the extra `arbeit[test]` brings. Times are integer microseconds since 1970.
"""

from __future__ import annotations

from arbeit.testing.strategies.asked import cursors, filters, queries, search_texts, searches
from arbeit.testing.strategies.facts import fact, facts
from arbeit.testing.strategies.intents import COMMANDS, command, commands
from arbeit.testing.strategies.records import ENTITIES, entities, entity, events
from arbeit.testing.strategies.values import identifiers, json_values, metadata, moments, names, settings, texts
from arbeit.testing.strategies.vocabulary import Vocabulary

__all__ = [
    "COMMANDS",
    "ENTITIES",
    "Vocabulary",
    "command",
    "commands",
    "cursors",
    "entities",
    "entity",
    "events",
    "fact",
    "facts",
    "filters",
    "identifiers",
    "json_values",
    "metadata",
    "moments",
    "names",
    "queries",
    "search_texts",
    "searches",
    "settings",
    "texts",
]
