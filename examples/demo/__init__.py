"""A team of agents, each a process of its own, works through a plan; one is killed and nothing is lost."""
