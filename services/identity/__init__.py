"""Identity: who may speak, and with which keys. It calls nobody."""
