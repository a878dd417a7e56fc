"""The documentation is true: its programs run, its tables are the code's, its links lead somewhere."""

import re
import textwrap
from pathlib import Path

import pytest
from opentelemetry.util._once import Once

from arbeit.core.errors import Code
from arbeit.core.transitions import TRANSITIONS
from arbeit.policies import BUILT_IN, OTHER_SETTINGS
from arbeit.project.named import QUERIES
from arbeit.queries import PARTS, SORTS
from arbeit.testing.simulation.run import CHECKERS
from arbeit.toolset import NAMES
from docs import lifecycle, promises
from docs import tools as tools_page
from tests.simulation.test_seeds import ON_A_FILE, SEEDS, STEPS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def programs() -> list[object]:
    found: list[object] = []
    for page in PAGES:
        blocks = _PYTHON.findall(page.read_text())
        if blocks:
            found.append(pytest.param(blocks, id=str(page.relative_to(ROOT))))
    return found


@pytest.mark.parametrize("blocks", programs())
def test_every_program_in_the_documentation_runs(
    blocks: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    # What a page sets for its whole process is not to last longer than it does.
    for place in ("trace._TRACER_PROVIDER", "metrics._internal._METER_PROVIDER"):
        monkeypatch.setattr(f"opentelemetry.{place}", None)
        monkeypatch.setattr(f"opentelemetry.{place}_SET_ONCE", Once())
    for block in blocks:
        program = compile(textwrap.dedent(block), "documentation", "exec", dont_inherit=True)
        exec(program, {"__name__": "__main__"})  # noqa: S102 - running the documentation is the test
    assert blocks


def test_the_tutorial_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/tutorial/first-team.md").read_text()
    block = _PYTHON.findall(page)[0]
    said = textwrap.dedent(re.findall(r"It prints the life of one task:\n\n((?:    .*\n)+)", page)[0])
    exec(compile(block, "tutorial", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102 - as above
    assert capsys.readouterr().out == said


def test_the_lifecycle_page_has_the_table_and_the_diagram_that_the_code_makes() -> None:
    page = lifecycle.PAGE.read_text()
    assert lifecycle.filled(page) == page
    assert all(f"| {step.source} | {step.verb} |" in page for step in TRANSITIONS)


def test_the_reliability_page_has_every_invariant_with_its_promise() -> None:
    page = promises.PAGE.read_text()
    assert promises.filled(page) == page
    assert [one.name for one in CHECKERS if f"| `{one.name}` | {one.promise} |" not in page] == []


def test_the_reliability_page_says_how_many_worlds_a_run_has() -> None:
    said = f"| {len(SEEDS)} worlds of {STEPS:,} commands and more, {len(ON_A_FILE)} of 400 on a file,"
    assert said in promises.PAGE.read_text()


def test_the_tools_page_has_every_tool_with_its_parameters() -> None:
    page = tools_page.PAGE.read_text()
    assert tools_page.filled(page) == page
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


def test_the_settings_page_names_every_setting_and_policy() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    names = [*BUILT_IN, *OTHER_SETTINGS, *(name for named in BUILT_IN.values() for name in named)]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_errors_page_names_every_code_and_no_other() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    named = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == set(Code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_the_queries_page_has_every_query_with_its_parameters() -> None:
    page = (ROOT / "docs/reference/queries.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| ", page, re.MULTILINE)
    said = {name: [(one, bool(bold)) for bold, one in re.findall(r"(\*\*)?`(\w+)`", cells)] for name, cells in rows}
    assert said == {name: list(parameters.items()) for name, parameters in QUERIES.items()}


def test_the_reading_page_names_every_part_and_sort() -> None:
    page = (ROOT / "docs/reference/reading.md").read_text()
    assert [name for name in (*PARTS, *SORTS) if f"`{name}`" not in page] == []
