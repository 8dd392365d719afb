"""Where replicas run: one module a target."""
