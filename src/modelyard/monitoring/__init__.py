"""What happens to a model in production: windows of traffic, drift, live quality, alerts, exporters."""
