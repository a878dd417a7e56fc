"""The command line of Arbeit."""
