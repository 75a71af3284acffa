"""What policy decides, without a network, a database, a clock, a model or chance."""
