"""The example's own tests (`pytest examples/langgraph_team`), run where all tests are."""

from examples.langgraph_team.test_graph import *  # noqa: F403 - see above
