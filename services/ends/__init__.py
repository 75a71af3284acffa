"""The ends: the only places, with policy while it screens, where a message is readable."""
