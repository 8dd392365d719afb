"""How the schema of a database became what it is: one Alembic revision a change."""
