"""The demonstration: an airline, a shop and a person, and what becomes of what they send."""
