"""Measures a model whole on labelled messages: what `hudhud-ml evaluate` and a release rest on."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

from ml.attacks import DISGUISES, Friendly
from ml.corpus.expand import Shares, expand
from ml.corpus.fill import fill
from ml.corpus.patterns import languages, read_language
from ml.evaluate import BATCH, Asked, Progress, in_silence, interval, judge_all
from ml.explaining import named_rightly
from ml.judge import Judge
from ml.report import ALL, UNWANTED, Lost, Named, Report, lost_to, mistakes, report
from ml.thresholds import Thresholds

PREPENDED, APPENDED = "friendly text before", "friendly text behind"
ENDED = "a notice's ending behind"
COURTESIES = (PREPENDED, APPENDED, ENDED)
ATTACKS = (*DISGUISES, *COURTESIES)
_ATTACKED_MAX = 2000  # messages of each language
_EXPLAINED_MAX = 400  # messages in all
_FRIENDLY_LENGTH_MAX = 90
_GROUP_MIN = 50  # messages of a language, for figures of its own


def measured(
    judge: Judge,
    thresholds: Thresholds,
    asked: Sequence[Asked],
    *,
    model: str = "",
    with_texts: bool = False,
    seed: int = 1,
    progress: Progress = in_silence,
) -> Report:
    """Everything a report holds, of one model on these messages. Takes some 20 ms a message.

    `with_texts` puts the texts of mistakes into it: for eyes that may see these messages.
    """
    judged = judge_all(judge, asked, progress)
    texts = [item.text for item in asked] if with_texts else None
    return replace(
        report(judged, thresholds, model),
        attacks=attacked(judge, thresholds, asked, seed, progress=progress),
        explanations=explained(judge, thresholds, asked, seed, progress=progress),
        mistakes=mistakes(judged, [item.id for item in asked], texts),
    )


def attacked(
    judge: Judge,
    thresholds: Thresholds,
    asked: Sequence[Asked],
    seed: int = 1,
    names: Sequence[str] = ATTACKS,
    progress: Progress = in_silence,
) -> tuple[Lost, ...]:
    """What each attack gets through, over all unwanted messages that it changes and by language."""
    chosen = _some_of_each(asked, _ATTACKED_MAX, seed)
    before = _stopped(judge, thresholds, [item.text for item in chosen])
    found = []
    for done, name in enumerate(names):
        progress(f"attacking with {name}", done, len(names))
        texts = [disguised(name, item, seed) for item in chosen]
        changed = [at for at, item in enumerate(chosen) if texts[at] != item.text]
        after = _stopped(judge, thresholds, [texts[at] for at in changed])
        pairs: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for at, still in zip(changed, after, strict=True):
            pairs[ALL].append((before[at], still))
            pairs[chosen[at].language].append((before[at], still))
        found += [
            lost_to(name, group, [first for first, _ in both], [then for _, then in both])
            for group, both in pairs.items()
            if group == ALL or len(both) >= _GROUP_MIN
        ]
    return tuple(found)


def explained(
    judge: Judge,
    thresholds: Thresholds,
    asked: Sequence[Asked],
    seed: int = 1,
    progress: Progress = in_silence,
) -> tuple[Named, ...]:
    """Whether the words named in stopped messages are the ones that decide."""
    chosen = _some_of_each(asked, _EXPLAINED_MAX, seed)
    stopped = _stopped(judge, thresholds, [item.text for item in chosen])
    mixed = [item for item, blocked in zip(chosen, stopped, strict=True) if blocked]
    Random(seed).shuffle(mixed)
    mixed = mixed[:_EXPLAINED_MAX]
    right = []
    for done, one in enumerate(mixed):
        progress("explaining", done, len(mixed))
        right += named_rightly(judge.judge, [(one.text, judge.explain(one.text))], seed)
    groups: dict[str, list[bool]] = defaultdict(list)
    for item, well in zip(mixed, right, strict=True):
        groups[ALL].append(well)
        groups[item.language].append(well)
    return tuple(
        Named(group, len(found), sum(found), round(sum(found) / len(found), 4),
              *(round(bound, 4) for bound in interval(sum(found), len(found))))
        for group, found in groups.items()
        if group == ALL or len(found) >= _GROUP_MIN
    )  # fmt: skip


def disguised(name: str, item: Asked, seed: int = 1) -> str:
    """What an attack makes of a message. The same seed gives the same text."""
    random = Random(f"{seed} {name} {item.text}")
    if name == PREPENDED:
        return _friendly(seed).prepended(item.text, item.language, random)
    if name == APPENDED:
        return _friendly(seed).appended(item.text, item.language, random)
    if name == ENDED:
        return _endings(seed).appended(item.text, item.language, random)
    return DISGUISES[name](item.text, random)


@cache
def _friendly(seed: int) -> Friendly:
    return Friendly(friendly_sentences(seed))


@cache
def _endings(seed: int) -> Friendly:
    """What notices end with: thanks, a reference, a number to call."""
    found = {}
    for code in languages():
        language = read_language(code)
        random = Random(f"{seed} {code}")
        endings = language.manner.tails["transactional"]
        found[code] = [fill(ending, language.slots, random) for ending in endings]
    return Friendly(found)


def friendly_sentences(seed: int = 1) -> dict[str, list[str]]:
    """Short personal messages of the corpus, by language."""
    found: dict[str, list[str]] = defaultdict(list)
    for message in expand(seed, Shares(from_pattern=1, hard_pairs=0)):
        if message.label == "personal" and len(message.text) <= _FRIENDLY_LENGTH_MAX:
            found[message.language].append(message.text)
    return {language: sorted(texts) for language, texts in found.items()}


def _some_of_each(asked: Sequence[Asked], most: int, seed: int) -> list[Asked]:
    """At most so many unwanted messages of each language."""
    groups: dict[str, list[Asked]] = defaultdict(list)
    for item in asked:
        if item.label in UNWANTED:
            groups[item.language].append(item)
    random = Random(seed)
    return [
        item
        for language in sorted(groups)
        for item in random.sample(groups[language], min(most, len(groups[language])))
    ]


def _stopped(judge: Judge, thresholds: Thresholds, texts: Sequence[str]) -> list[bool]:
    return [
        thresholds.blocks_direct(judgement)
        for start in range(0, len(texts), BATCH)
        for judgement in judge.judge(texts[start : start + BATCH])
    ]
