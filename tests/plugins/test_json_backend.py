"""The example of a backend passes the contract that is shipped to its like."""

from __future__ import annotations

from examples.json_backend.test_store import *  # noqa: F403 - its tests are run where all tests are
