"""The store beside restic, borg, DVC, hf_xet and plain copies: kept bytes, speed, memory; ``python -m benchmarks.store --help``."""
