"""Files out of a store: verified, whole, in part, or into a folder."""
