"""The public objects: one code path over an embedded yard."""
