"""Runs a command for a claimed task: keeps the lease, stops when it is lost, and ends the task by the exit code."""
