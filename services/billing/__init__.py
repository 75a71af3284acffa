"""Billing: what it costs, and that every cent is accounted for. It calls nobody."""
