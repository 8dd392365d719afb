"""Where measured windows and alerts are shown: one module for each monitoring system."""
