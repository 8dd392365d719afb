"""Models, versions, aliases, ledger and gates, over SQL."""
