"""Looking after a store: check, repair, rebuild the index, collect, compact, account."""
