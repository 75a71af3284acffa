"""What identity decides, without a network, a database, a clock or chance."""
