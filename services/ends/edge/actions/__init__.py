"""What the edge does, one file for each thing."""
