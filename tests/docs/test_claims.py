"""What docs/scale.md claims of queues holds in the simulation, whose numbers are the code's."""

import json
import math
from inspect import signature

import pytest

from docs.scale import arithmetic, breaks, claims, road, storms
from docs.scale.claims import Answers
from docs.scale.figures import Figures
from services.billing import servicer as billing
from services.ends.device import registration
from services.ends.edge.config import EdgeSettings
from services.identity.access_tokens import TOKEN_LIFETIME_SECONDS
from services.kit.backoff import SPREAD
from services.kit.client import backoff, service_config
from services.kit.coalesce import Coalescer
from services.kit.jetstream import Stream
from services.messaging.actions import accept_messages
from services.messaging.config import MessagingSettings
from services.policy.config import PolicySettings
from services.policy.housekeeping import VERDICTS_KEPT

SECONDS_OF_A_PHONE_S_PATIENCE = storms.CONNECT_SECONDS_MAX


def test_the_bounds_of_batches_are_those_of_the_code() -> None:
    edge, policy = EdgeSettings.model_fields, PolicySettings.model_fields
    assert edge["edge_batch_items_max"].default == road.EDGE_ITEMS
    assert edge["edge_batches_in_flight_max"].default == road.EDGE_IN_FLIGHT
    assert policy["screening_items_max"].default == road.POLICY_ITEMS
    assert policy["screenings_in_flight_max"].default == road.POLICY_IN_FLIGHT
    assert road.MESSAGING_ITEMS == accept_messages.BATCH_ITEMS_MAX
    assert road.MESSAGING_IN_FLIGHT == accept_messages.BATCHES_IN_FLIGHT_MAX
    assert road.BILLING_ITEMS == billing._RESERVED_AT_ONCE_MAX
    assert signature(Coalescer).parameters["waiting_max"].default == storms.WAITING_MAX


def test_times_that_the_arithmetic_rests_on_are_those_of_the_code() -> None:
    messaging = MessagingSettings.model_fields
    assert arithmetic.Assumptions().poll_seconds == messaging["mailbox_poll_seconds"].default
    assert arithmetic.TOKEN_SECONDS == TOKEN_LIFETIME_SECONDS
    assert VERDICTS_KEPT.days == arithmetic.VERDICTS_KEPT_DAYS
    assert Stream("any", ()).retention_days == arithmetic.OUTBOX_KEPT_DAYS
    edge = EdgeSettings.model_fields
    assert arithmetic.Assumptions().messages_kept_days == messaging["messages_kept_days"].default
    assert arithmetic.Assumptions().edge_events_kept_days == (
        edge["edge_events_retention_days"].default
    )
    assert breaks.ONE_TIME_KEYS == registration.ONE_TIME_KEYS


def test_retries_are_those_that_are_published() -> None:
    [method] = json.loads(service_config(["a.B"]))["methodConfig"]
    policy = method["retryPolicy"]
    first = float(policy["initialBackoff"].removesuffix("s"))
    assert policy["maxAttempts"] == storms.ATTEMPTS_MAX
    assert (
        pytest.approx([first * policy["backoffMultiplier"] ** number for number in range(3)])
        == storms.BACKOFF_SECONDS
    )
    assert storms.BACKOFF_SPREAD == SPREAD
    pauses = backoff()
    for expected in (*storms.BACKOFF_SECONDS, storms.RETURN_LONGEST_SECONDS):
        assert pauses.pause_seconds() == pytest.approx(expected, rel=SPREAD)


def test_what_was_also_measured_is_met_within_a_factor_of_two(
    figures: Figures, answers: Answers
) -> None:
    ratios = {
        "rate": answers.measured_load.rate / figures["send_unary_c64_per_s"],
        "median": answers.measured_load.p50_ms / figures["send_unary_c64_p50_ms"],
        **{
            f"one account, {items}": rate / figures[f"ledger_one_account_{items}_per_s"]
            for items, rate in answers.accounts.items()
        },
    }
    assert {name: ratio for name, ratio in ratios.items() if not 0.5 <= ratio <= 2} == {}


def test_what_it_was_fitted_to_is_met(figures: Figures) -> None:
    costs = road.Costs.fitted(figures)
    alone = road.at_once(costs, concurrency=1, messages=20, cores=2)
    assert alone.p50_ms == pytest.approx(figures["send_unary_c1_p50_ms"], rel=0.02)
    assert alone.batch_items == 1


def test_latency_grows_with_load_and_stays_bounded_short_of_full(answers: Answers) -> None:
    medians = [ran.p50_ms for ran in answers.loads.values()]
    assert medians == sorted(medians)
    assert answers.loads[0.6].p99_ms < 4 * answers.measured_load.p99_ms
    assert answers.loads[0.9].batch_items > 3 * answers.loads[0.3].batch_items
    for load, ran in answers.loads.items():
        assert ran.rate == pytest.approx(answers.full.rate * load, rel=0.1)


def test_an_outage_ends_where_clients_keep_to_what_is_published(answers: Answers) -> None:
    for load, one in answers.outages.items():
        # What gathered in 5 s is worked off by what is free.
        expected = 5 * load / (1 - load)
        assert one.recovered_seconds == pytest.approx(expected, rel=0.5)
        assert one.served_of_message < 1.05


def test_an_outage_does_not_end_where_they_do_not(answers: Answers) -> None:
    assert answers.impatient.recovered_seconds == math.inf
    assert answers.impatient.answered_share < 0.5
    assert answers.impatient.served_of_message > 2


def test_phones_come_back_at_the_rate_of_what_is_left(figures: Figures, answers: Answers) -> None:
    for phones, one in answers.returns.items():
        if phones < answers.phones_max:
            expected = phones / answers.phones_max * SECONDS_OF_A_PHONE_S_PATIENCE
            assert one.drained_seconds == pytest.approx(
                expected + storms.BACKOFF_SECONDS[0], rel=0.2
            )
            assert one.begun_of_phone == 1
    most = max(answers.returns)
    assert most > answers.phones_max
    assert answers.returns[most].begun_of_phone > 1.1


def test_what_ends_together_is_no_second_storm(figures: Figures, answers: Answers) -> None:
    assert answers.tokens_end_p99_ms < 500
    assert answers.connections_end_p99_ms < 500
    at_once = storms.wave_p99_ms(
        figures,
        [0.0] * claims.PHONES[1],
        stage="attach",
        spread_seconds=0.0,
        replicas=claims.REPLICAS_LEFT,
        utilisation=claims.UTILISATION,
        seed=1,
    )
    assert at_once > 5000


def test_looks_at_one_moment_hold_up_nobody(answers: Answers) -> None:
    assert answers.looks_at_once_ms < 1.5 * answers.looks_apart_ms


def test_looks_that_were_no_batches_would_hold_up_others(figures: Figures) -> None:
    dear = Figures({**figures, "cpu_look_messaging": figures["cpu_look_messaging"] * 30})
    at_once = storms.accept_p99_ms(dear, streams=10_000, all_at_once=True, seed=1)
    usual = storms.accept_p99_ms(figures, streams=10_000, all_at_once=True, seed=1)
    assert at_once > 1.5 * usual


def test_commits_grow_with_sessions_until_the_cpu_is_full(answers: Answers) -> None:
    alone = 1 / (claims.FLUSH_SECONDS + claims.COMMIT_CPU_SECONDS)
    full = claims.DATABASE_CORES / claims.COMMIT_CPU_SECONDS
    assert answers.commits[1] == pytest.approx(alone, rel=0.02)
    assert answers.commits[8] > 6 * alone
    assert 0.2 * full < answers.commits[64] <= full
    more = storms.commits_s(sessions=80, flush_seconds=0.002, cpu_seconds=0.0002, cores=2)
    assert more == pytest.approx(2 / 0.0002, rel=0.05)


def test_the_same_seed_gives_the_same_answer(figures: Figures) -> None:
    def run(seed: int) -> storms.Outage:
        return storms.outage(storms.PUBLISHED, load=0.8, seed=seed, seconds=40)

    assert run(1) == run(1)
    assert run(1) != run(2)
