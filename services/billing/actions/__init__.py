"""What billing does, one file for each RPC: read, decide, write."""
