"""What policy does, one file for each call."""
