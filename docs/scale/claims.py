"""What the simulation is asked, once, and what it answered: the claims of docs/scale.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from docs.scale import road, storms
from docs.scale.figures import Figures

SEED: Final = 20_261_122
# Each replica has its own cores there.
MANY_CORES: Final = 64
FULL_CONCURRENCY: Final = 512
LOADS: Final = (0.3, 0.6, 0.8, 0.9)
OUTAGE_LOADS: Final = (0.6, 0.8, 0.9)
REPLICAS_LEFT: Final = 2
UTILISATION: Final = 0.6
PHONES: Final = (1_000, 5_000, 12_000)
STREAMS: Final = 10_000
FLUSH_SECONDS: Final = 0.002
COMMIT_CPU_SECONDS: Final = 0.0002
DATABASE_CORES: Final = 8
SESSIONS: Final = (1, 8, 64)
ACCOUNT_ITEMS: Final = (1, 16, 256)


@dataclass(frozen=True)
class Answers:
    """What the simulation says."""

    measured_load: road.Ran  # 64 at once on two cores: also measured
    full: road.Ran  # as much as one replica of each can do
    loads: dict[float, road.Ran]
    outages: dict[float, storms.Outage]
    impatient: storms.Outage
    returns: dict[int, storms.Return]
    phones_max: int
    # Those of the second number, again: a quarter of an hour later, and five minutes later.
    tokens_end_p99_ms: float
    connections_end_p99_ms: float
    looks_apart_ms: float
    looks_at_once_ms: float
    commits: dict[int, float]
    accounts: dict[int, float]  # also measured


def ask(figures: Figures) -> Answers:
    """Run every simulation; a few seconds."""
    costs = road.Costs.fitted(figures)
    returns = {
        phones: storms.phones_return(
            figures,
            phones=phones,
            replicas_left=REPLICAS_LEFT,
            utilisation=UTILISATION,
            seed=SEED,
        )
        for phones in PHONES
    }

    def wave(stage: str, spread_seconds: float) -> float:
        return storms.wave_p99_ms(
            figures,
            returns[PHONES[1]].moments,
            stage=stage,
            spread_seconds=spread_seconds,
            replicas=REPLICAS_LEFT,
            utilisation=UTILISATION,
            seed=SEED,
        )

    full = road.at_once(costs, concurrency=FULL_CONCURRENCY, messages=4_000, cores=MANY_CORES)
    return Answers(
        measured_load=road.at_once(costs, concurrency=64, messages=1_000, cores=2),
        full=full,
        loads={
            load: road.arriving(
                costs, rate=full.rate * load, messages=3_000, cores=MANY_CORES, seed=SEED
            )
            for load in LOADS
        },
        outages={
            load: storms.outage(storms.PUBLISHED, load=load, seed=SEED) for load in OUTAGE_LOADS
        },
        impatient=storms.outage(storms.IMPATIENT, load=OUTAGE_LOADS[0], seed=SEED),
        returns=returns,
        phones_max=storms.phones_of_replica_max(
            figures, replicas_left=REPLICAS_LEFT, utilisation=UTILISATION
        ),
        tokens_end_p99_ms=wave("attach_again", 0.0),
        connections_end_p99_ms=wave(
            "attach", storms.CONNECTION_AGE_SECONDS * storms.CONNECTION_AGE_SPREAD
        ),
        looks_apart_ms=storms.accept_p99_ms(figures, streams=STREAMS, all_at_once=False, seed=SEED),
        looks_at_once_ms=storms.accept_p99_ms(
            figures, streams=STREAMS, all_at_once=True, seed=SEED
        ),
        commits={
            sessions: storms.commits_s(
                sessions=sessions,
                flush_seconds=FLUSH_SECONDS,
                cpu_seconds=COMMIT_CPU_SECONDS,
                cores=DATABASE_CORES,
            )
            for sessions in SESSIONS
        },
        accounts={
            items: storms.one_account_s(figures, callers=64, items=items) for items in ACCOUNT_ITEMS
        },
    )
