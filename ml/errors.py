"""Why a model or data is refused: each reason its own class, with a message to act on."""


class ModelRefused(Exception):
    """A model that is not loaded. Nothing of it has been unpickled."""


class ModelMissing(ModelRefused):
    """A file of the model is not there."""


class ManifestMalformed(ModelRefused):
    """The manifest is not what a manifest should be."""


class SignedByAnotherKey(ModelRefused):
    """The manifest names a key other than the one we trust."""


class SignatureInvalid(ModelRefused):
    """The manifest is not what was signed."""


class DigestMismatch(ModelRefused):
    """The model file is not the one the manifest describes."""


class LibrariesDiffer(ModelRefused):
    """The model was trained with other versions of the libraries that unpickle it."""


class FeaturesDiffer(ModelRefused):
    """The model was trained with another featuriser than this one."""


class DataRefused(Exception):
    """Labelled data, or the store of it, that cannot be used as it stands. Nothing was changed."""


class FileUnusable(DataRefused):
    """A file none of whose lines can be used."""


class StoreDamaged(DataRefused):
    """A file of the store is not what was stored."""


class StoreBusy(DataRefused):
    """Another process is changing the store."""


class Unreachable(DataRefused):
    """Something that is published elsewhere and did not come, and why."""


class DigestUnexpected(DataRefused):
    """A download that is not the file that is known."""


class CostsUnknown(Exception):
    """What a model costs could not be measured, and why."""


class KeyUnreadable(Exception):
    """A key file that holds no Ed25519 key in PEM."""
