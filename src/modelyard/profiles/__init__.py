"""What the values of columns look like: columns of any table, the signature of a model, the mergeable profile."""
