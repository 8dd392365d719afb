"""Files into a store: where they are cut, what a chunk is the difference from, packs, and who is writing."""
