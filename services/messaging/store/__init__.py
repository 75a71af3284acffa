"""Owns messaging's SQL: the one place that knows it. Each statement takes a whole batch."""
