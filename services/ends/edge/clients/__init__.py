"""How the edge reaches the other services: the ports' questions put into their words."""
