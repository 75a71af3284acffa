"""The benchmark: how many messages a second, how fast, and at what cost, on this machine."""
