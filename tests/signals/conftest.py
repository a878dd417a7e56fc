from __future__ import annotations

import pytest

from arbeit.engine import waiting


@pytest.fixture
def hints_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """While hints come through nobody looks by itself, so that what is found was found by a hint."""
    monkeypatch.setattr(waiting, "RELAXED_POLL", 3600)
