from __future__ import annotations

from pathlib import Path

import pytest

from arbeit.secret_providers import EnvSecrets
from arbeit.sinks import make_webhook_secret

SECRET = make_webhook_secret(bytes(range(32)))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that processes share."""
    return f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, EnvSecrets]:
    """Where a webhook's secret is found as `env:HOOK`."""
    monkeypatch.setenv("ARBEIT_SECRET_HOOK", SECRET)
    return {"env": EnvSecrets()}
