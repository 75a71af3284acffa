"""Where models lie: the released one in the repository, and one trained on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path

from ml.versions import features_digest, libraries

MANIFEST_FILE = "manifest.json"
PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a model, and the key that its releases are signed with."""

    model: Path
    public_key: Path


RELEASED = Place(PROJECT / "ml/released", PROJECT / "ml/released/release.pub")
TRAINED_HERE = Place(PROJECT / "build/model", PROJECT / ".state/keys/model_release.pub")


def model_in_use() -> Place:
    """The model trained on this machine, if there is one and it fits the code and the libraries
    that are here now; otherwise the released one. Neither is verified yet.
    """
    try:
        manifest = json.loads((TRAINED_HERE.model / MANIFEST_FILE).read_bytes())
        fits = manifest["features"] == features_digest() and manifest["libraries"] == libraries()
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    return TRAINED_HERE if fits and TRAINED_HERE.public_key.exists() else RELEASED
