"""The flag that writes golden histories anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what happens now into tests/golden/histories; review the difference before you commit it",
    )
