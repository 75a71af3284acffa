"""Files and folders that only their owner may read: keys, passwords, certificates."""

import os
import tempfile
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make the folder (and its parents) with mode 0700, and return it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: bytes) -> Path:
    """Write the file whole or not at all, with mode 0600, and return its path.

    The bytes reach the disk before the name does: after a power cut there is either the old file
    or the new one, never half of a key.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:  # mkstemp has made it 0600 already.
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
