"""How far a model gets where it does not keep a limit, so that no other may fall behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.errors import KeyUnreadable, ModelRefused
from ml.keys import read_public_key
from ml.places import RELEASED
from ml.release import read_verified_manifest

if TYPE_CHECKING:  # whatever is measured of a model is held to limits, which know this module
    from ml.evaluation.limits import Check


@dataclass(frozen=True, slots=True)
class Reached:
    """The figures of one model that are beyond a limit. One without any is held to the limits."""

    figures: Mapping[tuple[str, str], float]  # by what is checked, and language
    reason: str = ""  # why no more is asked for; the reasons of `limits.toml` if empty

    @classmethod
    def of(cls, checks: "Iterable[Check]", reason: str = "") -> "Reached":
        """What was found of a model. Costs are not among it: their limits are kept."""
        missed = [check for check in checks if not check.held and check.is_share]
        return cls({(check.what, check.group): check.figure for check in missed}, reason)


def reached() -> Reached:
    """By the released model, as training measured it; nothing where there is none."""
    from ml.evaluation.limits import checks

    try:
        key = read_public_key(RELEASED.public_key)
        return Reached.of(checks(read_verified_manifest(RELEASED.model, key).unseen))
    except (ModelRefused, KeyUnreadable):
        return Reached({})
