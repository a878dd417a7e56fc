"""A view of a team at work, drawn again every second."""
