"""What versions guard: nobody builds on a state that somebody else has moved on."""

from __future__ import annotations


class VersionConflict(Exception):
    """Somebody else changed an account or session meanwhile: read it again, start over."""
