"""What becomes of a yard when another's versions come: pure rules, values in, decisions with reasons out."""
