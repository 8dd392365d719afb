"""The registry beside MLflow's, embedded and behind a server, on SQLite and PostgreSQL; ``python -m benchmarks registry --help``."""
