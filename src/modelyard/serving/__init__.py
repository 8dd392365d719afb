"""One replica: load, batch, route, swap, predict, log."""
