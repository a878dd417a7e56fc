"""How fast Arbeit is on this machine, beside what the driver alone would take: `python -m benchmarks`."""
