"""The one featuriser: words and letter sequences of both views, hashed.

Everything is computed on the code points of a whole batch at once. An n-gram's hash is a polynomial
in its code points (as in rolling hashes, Karp and Rabin 1987), mixed by the finaliser of
SplitMix64 (Steele, Lea and Flood 2014) and cut to a bucket. There is no vocabulary: a fitted model
holds weights of buckets and no text.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ml import symbols
from ml.normalise import Views, views

_BASE = np.uint64(0x100000001B3)
_LETTERS_SALT, _WORD_SALT, _PAIR_SALT, _RAW_WORD_SALT, _EVIDENCE_SALT = (
    np.uint64(salt) for salt in (0x5851F42D4C957F2D, 0x14057B7EF767814F, 0x2545F4914F6CDD1D,
                                 0x9E6C63D0876A9A47, 0x4CF5AD432745937F)
)  # fmt: skip
_LETTERS_SALTS = tuple(np.arange(9, dtype=np.uint64) * _LETTERS_SALT)
_WORD_LENGTH_MAX = 40
_POWERS = np.cumprod(np.full(_WORD_LENGTH_MAX + 1, _BASE, np.uint64))
_END = "\n"  # stands between messages; views hold none, white space in them is folded to a space

Uint64s = NDArray[np.uint64]


def _word_characters() -> NDArray[np.bool_]:
    """Which characters make words: letters, digits, vowel signs of Indic and Thai, our symbols."""
    import unicodedata

    table = np.zeros(0x10000 + 1, np.bool_)
    for code in range(0x10000):
        character = chr(code)
        table[code] = character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")
    for sign in (*symbols.LINKS, symbols.EMAIL, symbols.MASKED_NUMBER, symbols.REFERENCE):
        table[ord(sign)] = True
    return table


_IS_WORD = _word_characters()


def _mixed(hashes: Uint64s) -> Uint64s:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _code_points(texts: Sequence[str]) -> tuple[Uint64s, NDArray[np.intp]]:
    """All texts in one row of code points, each followed by a mark; whose each point is."""
    joined = f" {_END} ".join(texts)
    points = np.frombuffer(f" {joined} {_END}".encode("utf-32-le", "surrogatepass"), np.uint32)
    marks = points == ord(_END)
    owner = np.cumsum(marks) - marks
    return points.astype(np.uint64), owner


class _Batch:
    """The n-grams found so far: a hash and the message it belongs to."""

    def __init__(self) -> None:
        self.hashes: list[Uint64s] = []
        self.owners: list[NDArray[np.intp]] = []

    def add(self, hashes: Uint64s, owners: NDArray[np.intp], salt: np.uint64) -> None:
        self.hashes.append(_mixed(hashes + salt))
        self.owners.append(owners)


def _add_letters(
    batch: _Batch, points: Uint64s, owner: NDArray[np.intp], shortest: int, longest: int
) -> None:
    """Every run of `shortest` to `longest` characters that stays within its message."""
    marks_before = np.concatenate(([0], np.cumsum(points == ord(_END))))
    hashes = points.copy()
    for length in range(2, longest + 1):
        hashes = hashes[:-1] * _BASE + points[length - 1 :]
        if length >= shortest:
            whole = marks_before[length:] == marks_before[:-length]
            batch.add(hashes[whole], owner[: len(hashes)][whole], _LETTERS_SALTS[length])


def _words(points: Uint64s, owner: NDArray[np.intp]) -> tuple[Uint64s, NDArray[np.intp]]:
    """The hash and the message of every word, in order."""
    inside = _IS_WORD[np.minimum(points, np.uint64(0x10000)).astype(np.intp)]
    previous = np.concatenate(([False], inside[:-1]))
    starts = np.flatnonzero(inside & ~previous)
    if len(starts) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.intp)
    positions = np.flatnonzero(inside)
    word = np.cumsum(inside & ~previous)[positions] - 1
    offset = np.minimum(positions - starts[word], _WORD_LENGTH_MAX)
    first = np.searchsorted(positions, starts)
    hashes = np.add.reduceat(points[positions] * _POWERS[offset], first)
    return hashes, owner[starts]


class MessageFeatures:
    """Texts to rows of a sparse matrix, each of length one.

    `bucket_bits` is the binary logarithm of the number of columns; `letters_longest` the longest
    run of letters looked at; `words_weight` how much words count against letters.
    """

    def __init__(self, bucket_bits: int = 18, letters_shortest: int = 2, letters_longest: int = 5,
                 words_weight: float = 1.5) -> None:  # fmt: skip
        self.bucket_bits = bucket_bits
        self.letters_shortest = letters_shortest
        self.letters_longest = letters_longest
        self.words_weight = words_weight

    def fit(self, texts: Sequence[str], labels: object = None) -> "MessageFeatures":
        """Nothing is learned: the columns are hash buckets."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """One row for each text."""
        return self.of_views([views(text) for text in texts])

    def of_views(self, messages: Sequence[Views]) -> csr_matrix:
        """One row for each message already normalised."""
        rows = len(messages)
        columns = 1 << self.bucket_bits
        if rows == 0:
            return csr_matrix((0, columns), dtype=np.float32)
        words = _Batch()
        points, owner = _code_points([message.normalised for message in messages])
        hashes, owners = _words(points, owner)
        words.add(hashes, owners, _WORD_SALT)
        together = owners[1:] == owners[:-1]
        words.add((hashes[:-1] * _BASE + hashes[1:])[together], owners[1:][together], _PAIR_SALT)
        words.add(*_words(*_code_points([message.raw for message in messages])), _RAW_WORD_SALT)
        evidence = [
            (row, sign) for row, message in enumerate(messages) for sign in message.evidence
        ]
        if evidence:
            sign_points, _ = _code_points([sign.replace(" ", "") for _, sign in evidence])
            sign_hashes, _ = _words(sign_points, np.zeros(len(sign_points), np.intp))
            words.add(sign_hashes, np.array([row for row, _ in evidence], np.intp), _EVIDENCE_SALT)
        letters = _Batch()
        _add_letters(letters, points, owner, self.letters_shortest, self.letters_longest)
        return self._matrix(words, letters, rows, columns)

    def _matrix(self, words: _Batch, letters: _Batch, rows: int, columns: int) -> csr_matrix:
        blocks = ((words, self.words_weight), (letters, 1.0))
        owners, buckets, values = [], [], []
        for block, weight in blocks:
            owner = np.concatenate(block.owners)
            count = np.bincount(owner, minlength=rows)
            owners.append(owner)
            buckets.append(np.concatenate(block.hashes) & np.uint64(columns - 1))
            values.append((weight / np.sqrt(np.maximum(count, 1)))[owner].astype(np.float32))
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=rows))))
        return csr_matrix(
            (
                np.concatenate(values)[order],
                np.concatenate(buckets)[order].astype(np.int32),
                starts,
            ),
            shape=(rows, columns),
        )
