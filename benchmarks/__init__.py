"""Us beside the peers, in one run, as ratios. ``python -m benchmarks [registry] [serving]``; ``make bench`` runs all."""
