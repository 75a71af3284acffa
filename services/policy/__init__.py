"""Policy: what may be said to whom."""
