"""What Arbeit is tested with, for those who build on it: contract suites, a virtual clock, faults, a pytest plugin."""
