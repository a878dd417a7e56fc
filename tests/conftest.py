"""What all tests share."""

from __future__ import annotations

import pytest

# The contract is shipped as a library; its bare asserts should tell here, too, what they compared.
pytest.register_assert_rewrite("arbeit.testing.contract")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops; a module that needs one says so itself."""
    return str(request.param)
