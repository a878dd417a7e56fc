"""A token proves one lease, shown by the one who was granted it; a lease counts while it is the task's own."""

import hashlib
import hmac
from typing import Any

import pytest

from arbeit.core.errors import Code
from arbeit.core.leases import current, genuine, lost, token_for
from arbeit.core.model import Lease, Task
from arbeit.core.record import change

KEY = b"k" * 32


def lease(**fields: object) -> Lease:
    base: dict[str, Any] = {"id": "lea-1", "task_id": "tkt-1", "agent_id": "ada", "run_id": "run-1", "fence": 7}
    times = {"ttl": 60, "acquired_at": 0, "expires_at": 60, "heartbeat_at": 0}
    return Lease(**{**base, **times, **fields})


def held_under(lease_id: str | None, fence: int) -> Task:
    return Task(id="tkt-1", title="t", created_at=0, updated_at=0, lease_id=lease_id, fence=fence, status="in_progress")


def test_a_token_is_the_first_128_bits_of_an_hmac_over_project_lease_fence_and_principal() -> None:
    said = b"demo\0lea-1\x007\0ada"
    assert token_for(KEY, "demo", lease()) == hmac.new(KEY, said, hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize("other", [{"id": "lea-2"}, {"fence": 8}, {"agent_id": "bob"}])
def test_a_token_is_of_one_lease_fence_and_principal_alone(other: dict[str, Any]) -> None:
    assert token_for(KEY, "demo", lease(**other)) != token_for(KEY, "demo", lease())


def test_a_token_is_of_one_project_and_key_alone() -> None:
    tokens = {token_for(key, project, lease()) for key in (KEY, b"j" * 32) for project in ("demo", "side")}
    assert len(tokens) == 4


def test_a_token_counts_only_when_its_owner_shows_it() -> None:
    token = token_for(KEY, "demo", lease())
    shown = {(actor, said) for actor in ("ada", "bob") for said in (token, "f" * 32, "", "é")}
    assert {it for it in shown if genuine(KEY, "demo", lease(), *it)} == {("ada", token)}


def test_a_lease_counts_while_the_task_names_it_with_its_fence_and_it_has_not_ended() -> None:
    mine = lease()
    assert current(held_under("lea-1", 7), mine)
    assert not current(held_under("lea-1", 7), change(mine, ended_at=5))
    assert not current(held_under("lea-1", 8), mine)
    assert not current(held_under("lea-2", 7), mine)
    assert not current(held_under(None, 7), mine)
    assert not current(held_under("lea-1", 7), None)
    assert not current(held_under(None, 7), None)


def test_a_lost_lease_says_of_which_task_and_how_that_stands() -> None:
    refused = lost(held_under("lea-2", 9))
    assert (refused.code, dict(refused.data)) == (Code.LEASE_LOST, {"task_id": "tkt-1", "status": "in_progress"})
    assert len(refused.suggestions) == 3
    assert not refused.retryable
