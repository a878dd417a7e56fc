"""A holder is given secrets by name; the log says who asked, and nothing but the holder has the value."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import get_ident

import pytest

import arbeit
from arbeit import sync
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import SecretSet
from arbeit.core.model import Grant
from arbeit.hookspecs import hookimpl
from arbeit.policies import QueueAccess
from arbeit.ports import SecretProvider
from arbeit.secret_providers import FileSecrets, Secret

VALUE = "correct horse battery staple"


class Vault:
    """Knows one path, and who asked it."""

    def __init__(self, answer: object = VALUE) -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self._answer = answer

    def resolve(self, path: str) -> str:
        self.asked.append(path)
        self.threads.add(get_ident())
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # some tests break the contract


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'team.db'}"


def started(hub: sync.Hub) -> tuple[sync.Project, sync.Work]:
    project = hub.project("demo", create=True)
    project.create_task("Deploy it")
    work = project.claim("ann")
    assert work is not None
    return project, work


def refused(call: Callable[[], object], code: Code) -> ArbeitError:
    with pytest.raises(ArbeitError) as caught:
        call()
    assert caught.value.code is code
    assert VALUE not in "".join(traceback.format_exception(caught.value))
    seen: BaseException | None = caught.value
    while seen is not None:
        assert VALUE not in repr(seen)
        seen = seen.__cause__ or seen.__context__
    return caught.value


def test_a_holder_gets_the_value_and_the_log_says_so_without_it(url: str, tmp_path: Path) -> None:
    vault = Vault()
    with sync.open(url, secrets={"vault": vault}, actor="boss") as hub:
        project, work = started(hub)
        reference = project.set_secret("deploy", "vault", "team/deploy")
        assert (reference.name, reference.provider, reference.path) == ("deploy", "vault", "team/deploy")
        secret = work.secret("deploy")
        assert isinstance(secret, Secret)
        assert secret.reveal() == VALUE
        assert vault.asked == ["team/deploy"]
        used = project.history()[-1]
        assert (used.type, used.actor, used.task_id, used.run_id) == ("secret_used", "ann", work.task.id, work.run.id)
        assert VALUE not in repr(project.history())
        assert project.verify().ok
    assert [path for path in tmp_path.iterdir() if path.is_file() and VALUE.encode() in path.read_bytes()] == []


@pytest.mark.anyio
async def test_the_asynchronous_face_asks_in_another_thread(url: str) -> None:
    vault = Vault()
    async with arbeit.open(url, secrets={"vault": vault}) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("Deploy it")
        work = await project.claim("ann")
        assert work is not None
        reference = await project.set_secret("deploy", "vault", "p")
        assert (await work.secret("deploy")).reveal() == VALUE
        assert await project.secrets() == [reference]
        assert get_ident() not in vault.threads


def test_environment_and_files_need_no_wiring_but_a_folder(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARBEIT_SECRET_DEPLOY", VALUE)
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "key").write_text("from a file\n")
    with sync.open(url) as hub:
        project, work = started(hub)
        project.set_secret("one", "env", "DEPLOY")
        project.set_secret("two", "file", "key")
        assert work.secret("one").reveal() == VALUE
        refused(lambda: work.secret("two"), Code.NOT_INITIALIZED)
    with sync.open(url, secrets={"file": FileSecrets(tmp_path / "mounted")}) as hub:
        project, work = started(hub)
        project.set_secret("two", "file", "key")
        assert work.secret("two").reveal() == "from a file"


def test_a_given_provider_stands_before_a_built_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBEIT_SECRET_X", "not this")
    with sync.open("memory://", secrets={"env": Vault()}) as hub:
        project, work = started(hub)
        project.set_secret("x", "env", "X")
        assert work.secret("x").reveal() == VALUE


def test_a_secret_may_move_and_keeps_its_name(url: str) -> None:
    with sync.open(url, secrets={"vault": Vault()}) as hub:
        project, work = started(hub)
        first = project.set_secret("deploy", "env", "OLD")
        second = project.set_secret("deploy", "vault", "new")
        assert (first.id, project.secrets()) == (second.id, [second])
        assert work.secret("deploy").reveal() == VALUE
        before = len(project.history())
        project.set_secret("deploy", "vault", "new")
        assert len(project.history()) == before
        assert [event.type for event in project.history()].count(SecretSet.tag) == 2


@pytest.mark.parametrize("how", ["ended", "taken"])
def test_a_lost_lease_gets_no_secret_and_asks_nobody(how: str) -> None:
    vault = Vault()
    with sync.open("memory://", secrets={"vault": vault}) as hub:
        project, work = started(hub)
        project.set_secret("deploy", "vault", "p")
        grant = Grant(work.task, work.lease, work.run)
        other = sync.Work(arbeit.Work(work.inner._session, "demo", grant, work.token, None))
        (work if how == "ended" else other).release("gone")
        before = project.history()
        refused(lambda: work.secret("deploy"), Code.LEASE_LOST)
        assert vault.asked == []
        assert project.history() == before


def test_an_unknown_secret_or_provider_is_said_so(url: str) -> None:
    with sync.open(url) as hub:
        project, work = started(hub)
        refused(lambda: work.secret("nope"), Code.ENTRY_NOT_FOUND)
        project.set_secret("deploy", "vault", "p")
        error = refused(lambda: work.secret("deploy"), Code.NOT_INITIALIZED)
        assert error.data == {"provider": "vault"}
        assert "secrets=" in error.suggestions[0]


@pytest.mark.parametrize(
    "answer", [LookupError(VALUE), ValueError(f"bad {VALUE}"), VALUE.encode(), None, [VALUE]], ids=repr
)
def test_a_provider_that_fails_gives_the_value_away_to_nobody(answer: object) -> None:
    with sync.open("memory://", secrets={"vault": Vault(answer)}) as hub:
        project, work = started(hub)
        project.set_secret("deploy", "vault", "p")
        error = refused(lambda: work.secret("deploy"), Code.STORE_UNAVAILABLE)
        assert error.retryable


def test_a_providers_own_refusal_is_passed_on() -> None:
    refusal = ArbeitError(Code.FORBIDDEN, "the vault is sealed")
    with sync.open("memory://", secrets={"vault": Vault(refusal)}) as hub:
        project, work = started(hub)
        project.set_secret("deploy", "vault", "p")
        assert refused(lambda: work.secret("deploy"), Code.FORBIDDEN) is refusal


def test_a_plug_ins_provider_is_made_once_when_first_asked() -> None:
    made: list[Vault] = []

    class Plugin:
        @hookimpl
        def arbeit_secret_providers(self) -> Mapping[str, Callable[[], SecretProvider]]:
            return {"vault": lambda: made.append(Vault()) or made[-1]}  # type: ignore[func-returns-value]  # None, then

    with sync.open("memory://", plugins=[Plugin()]) as hub:
        project, work = started(hub)
        project.set_secret("deploy", "vault", "p")
        assert made == []
        assert [work.secret("deploy").reveal() for _ in range(2)] == [VALUE, VALUE]
        assert len(made) == 1


def test_who_sees_a_part_of_a_project_neither_sets_nor_lists_its_secrets(url: str) -> None:
    with sync.open(url, policies={"access": QueueAccess({"eve": frozenset({"default"})})}) as hub:
        project, _ = started(hub)
        project.set_secret("deploy", "env", "X")
        eve = project.as_("eve")
        refused(eve.secrets, Code.FORBIDDEN)
        refused(lambda: eve.set_secret("deploy", "env", "Y"), Code.FORBIDDEN)


def test_secrets_are_listed_by_name(url: str) -> None:
    with sync.open(url) as hub:
        project = hub.project("demo", create=True)
        assert project.secrets() == []
        for name in ("b", "a", "c"):
            project.set_secret(name, "env", name.upper())
        assert [one.name for one in project.secrets()] == ["a", "b", "c"]
        assert hub.project("other", create=True).secrets() == []


def test_a_value_that_was_given_as_the_path_is_not_stored() -> None:
    with sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        assert project.set_secret("x", "env", "gh" + "p_" + "a1B2" * 9).path == "[redacted: github token]"


def test_what_is_no_provider_is_refused_where_it_is_given() -> None:
    with pytest.raises(ArbeitError) as caught, sync.open("memory://", secrets={"vault": object()}):  # type: ignore[dict-item]
        pass
    assert (caught.value.code, caught.value.data["field"]) == (Code.INVALID_INPUT, "secrets")
