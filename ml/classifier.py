"""The one interface to a trained model: texts in, judgements out, explanations on request.

A model is loaded only after its signature, its digest and the versions it needs are verified.
"""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ml.judge import Judge
from ml.models import Models
from ml.release import Manifest, load_verified
from ml.thresholds import Thresholds


class Classifier(Judge):
    """A released model: `judge` and `explain`, and what its manifest says.

    It keeps no state between calls and may be used from several threads.
    """

    def __init__(self, models: Models, manifest: Manifest) -> None:
        """Takes verified models; see `load`."""
        super().__init__(models)
        self.manifest = manifest
        self.thresholds: Thresholds = manifest.thresholds

    @classmethod
    def load(cls, path: Path, public_key: Ed25519PublicKey) -> "Classifier":
        """The model in this folder. Raises ModelRefused, before anything is unpickled."""
        manifest, models = load_verified(path, public_key)
        return cls(models, manifest)
