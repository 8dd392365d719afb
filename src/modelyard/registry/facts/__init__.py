"""What is known of a version, for gates; each fact is looked up only when a gate asks for it."""
