"""The whole loop on real flights: training, canary, rollback, drift, and the way back."""
