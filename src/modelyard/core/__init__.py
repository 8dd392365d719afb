"""Values that every room shares: names, references, digests, times, errors. Standard library only."""
