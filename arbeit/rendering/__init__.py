"""Tasks as text: a brief that fits a token budget, and a whole document in Markdown."""
