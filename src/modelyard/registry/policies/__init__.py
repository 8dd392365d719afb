"""Protected aliases: what a policy says, who approved what, and whether an alias may move."""
