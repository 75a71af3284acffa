"""Finds near-duplicates: texts that share most of their runs of letters, as normalised.

MinHash (Broder 1997) over the set of runs of four characters; texts that agree in a band of their
signatures (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4) are compared, and those
alike enough are of one cluster.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ml.normalise import views

ALIKE = 0.7  # share of runs in common (Jaccard) from which on two texts are near-duplicates
_RUN = 4
_HASHES = 64
_BANDS = 16  # of four hashes each: what is 0.7 alike shares a band with a probability of 0.99
_CHUNK = 2_000
_BASE = np.uint64(0x100000001B3)
_NONE = np.uint32(0xFFFFFFFF)

_random = np.random.default_rng(20260301)
_MULTIPLIERS = _random.integers(0, 2**63, _HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS = _random.integers(0, 2**63, _HASHES, dtype=np.uint64)

Signatures = NDArray[np.uint32]
Progress = Callable[[int, int], None]  # texts done, texts in all


def clusters(
    texts: Sequence[str], bound: Iterable[Sequence[int]] = (), progress: Progress | None = None
) -> list[int]:
    """For each text the place of the first text of its cluster.

    `bound` names places that are of one cluster whatever their texts say.
    """
    signatures = _signatures(texts, progress)
    parents = list(range(len(texts)))
    for places in bound:
        for place in places[1:]:
            _unite(parents, places[0], place)
    for one, other in _alike(signatures):
        _unite(parents, one, other)
    return [_root(parents, place) for place in range(len(texts))]


def _signatures(texts: Sequence[str], progress: Progress | None) -> Signatures:
    signatures = np.empty((len(texts), _HASHES), np.uint32)
    for start in range(0, len(texts), _CHUNK):
        chunk = [views(text).normalised for text in texts[start : start + _CHUNK]]
        signatures[start : start + len(chunk)] = _signatures_of(chunk)
        if progress:
            progress(start + len(chunk), len(texts))
    return signatures


def _signatures_of(normalised: Sequence[str]) -> Signatures:
    texts = [text.ljust(_RUN) for text in normalised]  # so that the shortest has a run too
    packed = "".join([*texts, " " * (_RUN - 1)]).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(packed, np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    starts = np.cumsum(lengths) - lengths
    runs = np.zeros(lengths.sum(), np.uint64)
    for offset in range(_RUN):
        runs = runs * _BASE + points[offset : offset + len(runs)]
    # The last runs of a text reach into the next one.
    left = np.repeat(starts + lengths, lengths) - np.arange(len(runs))
    across = left < _RUN
    found = np.empty((len(texts), _HASHES), np.uint32)
    for at in range(_HASHES):
        mixed = (runs ^ (runs >> np.uint64(29))) * _MULTIPLIERS[at] + _OFFSETS[at]
        values = (mixed >> np.uint64(32)).astype(np.uint32)
        values[across] = _NONE
        found[:, at] = np.minimum.reduceat(values, starts)
    return found


def _alike(signatures: Signatures) -> Iterable[tuple[int, int]]:
    """Pairs that are alike enough, each text with its neighbours in the buckets of every band."""
    rows = _HASHES // _BANDS
    for band in range(_BANDS):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        _, bucket = np.unique(part, axis=0, return_inverse=True)
        order = np.argsort(bucket, kind="stable")
        sorted_bucket = bucket[order]
        first = order[np.searchsorted(sorted_bucket, sorted_bucket)]
        before = np.concatenate((order[:1], order[:-1]))
        before = np.where(bucket[before] == sorted_bucket, before, order)
        for other in (first, before):
            differ = order != other
            one, two = order[differ], other[differ]
            share = (signatures[one] == signatures[two]).mean(axis=1)
            yield from zip(one[share >= ALIKE].tolist(), two[share >= ALIKE].tolist(), strict=True)


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place


def _unite(parents: list[int], one: int, other: int) -> None:
    """The earlier root stands for both."""
    first, second = sorted((_root(parents, one), _root(parents, other)))
    parents[second] = first
