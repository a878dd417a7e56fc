"""Programs to read and run: `python -m examples.demo` shows a team of agents at work."""
