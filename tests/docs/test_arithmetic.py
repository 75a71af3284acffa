"""From the cost of one message to a day's, by hand for a platform that is easy to add up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.scale.arithmetic import (
    DAY_SECONDS,
    Assumptions,
    kept_bytes_of_message,
    needs_of,
    wire_bytes,
)
from docs.scale.figures import PROCESSES, Figures

STAGES = (
    "unary_64_at_once",
    "delivery",
    "first_words",
    "new_wordings",
    "attach_again",
    "token",
    "look",
)

# Every stage takes every process a millisecond of CPU, so a message takes two.
PLAIN = Figures(
    {
        **{f"cpu_{stage}_{process}": 1000.0 for stage in STAGES for process in PROCESSES},
        "kept_table_messaging.messages": 100.0,
        "kept_table_messaging.device_envelopes": 1000.0,
        "kept_table_messaging.outbox": 10.0,
        "kept_table_policy.verdicts": 1.0,
        "kept_table_billing.entries": 5.0,
        "kept_table_billing.open_reservations": 77.0,
        "kept_jetstream": 2.0,
        "kept_log_all": 1000.0,
        "wire_business_edge_there": 1.0,
        "wire_business_edge_back": 2.0,
        "wire_device_messaging_there": 4.0,
        "wire_device_messaging_back": 8.0,
        "wire_edge_policy_there": 16.0,
        "stream_memory": 100.0,
    }
)
ASSUMED = replace(
    Assumptions(),
    peak_over_mean=2.0,
    utilisation=0.5,
    attached_share=0.5,
    messages_of_person_day=1.0,
    people_max=1000 * DAY_SECONDS,
    poll_seconds=10.0,
    messages_kept_days=10.0,
    edge_events_kept_days=10.0,
    ledger_kept_days=100.0,
    waiting_days=0.5,
)


def test_cores_are_cpu_in_the_busiest_hour_over_what_may_be_used() -> None:
    needs = needs_of(PLAIN, ASSUMED, 10.0 * DAY_SECONDS)
    assert needs.mean_s == pytest.approx(10)
    assert needs.peak_s == pytest.approx(20)
    # 20 a second, 2 ms each, half of a core used.
    assert needs.road_cores["edge"] == pytest.approx(0.08)
    assert needs.replicas["edge"] == 2


def test_streams_that_wait_cost_their_looks_and_their_tokens() -> None:
    needs = needs_of(PLAIN, ASSUMED, 10.0 * DAY_SECONDS)
    assert needs.people == 10 * DAY_SECONDS
    assert needs.streams == 5 * DAY_SECONDS
    looks, begun = 0.001 / 10, 0.002 / 900
    assert needs.idle_cores["messaging"] == pytest.approx(5 * DAY_SECONDS * (looks + begun) / 0.5)
    assert needs.idle_cores["edge"] == 0
    assert needs.stream_memory_bytes == pytest.approx(5 * DAY_SECONDS * 100e3)


def test_there_are_no_more_people_than_there_are() -> None:
    needs = needs_of(PLAIN, ASSUMED, 5000.0 * DAY_SECONDS)
    assert needs.people == 1000 * DAY_SECONDS


def test_what_is_kept_is_kept_for_its_time() -> None:
    kept = kept_bytes_of_message(PLAIN, ASSUMED)
    assert kept == {
        "messaging.messages": 1000,
        "messaging.device_envelopes": 500,
        "messaging.outbox": 70,
        "policy.verdicts": 40,
        "billing.entries": 500,
        "billing.open_reservations": 0,
        "jetstream": 16,
    }


def test_bytes_go_in_out_and_about() -> None:
    assert wire_bytes(PLAIN) == (5, 10, 16)


def test_the_scarcest_asks_for_the_database_nodes() -> None:
    disk = needs_of(PLAIN, replace(ASSUMED, node_disk_bytes=1e6), 10.0 * DAY_SECONDS)
    log = needs_of(PLAIN, replace(ASSUMED, node_log_bytes_s=100.0), 10.0 * DAY_SECONDS)
    assert disk.database_nodes_for == "disk"
    assert (log.database_nodes, log.database_nodes_for) == (200, "log")


def test_new_words_cost_what_they_cost_more() -> None:
    dear = Figures({**PLAIN, "cpu_new_wordings_policy": 11_000.0})
    plain = needs_of(PLAIN, ASSUMED, 1e9)
    more = needs_of(dear, replace(ASSUMED, new_wordings_share=0.1), 1e9)
    assert more.road_cores["policy"] == pytest.approx(plain.road_cores["policy"] * 1.5)
    assert more.road_cores["edge"] == plain.road_cores["edge"]


@given(st.floats(1e3, 1e12), st.floats(1.0, 100.0))
def test_more_messages_never_need_less(messages: float, times: float) -> None:
    less, more = (needs_of(PLAIN, ASSUMED, count) for count in (messages, messages * times))
    assert less.cores <= more.cores
    assert less.dollars <= more.dollars
    assert less.database_nodes <= more.database_nodes
    assert less.jetstream_streams <= more.jetstream_streams
    assert all(less.replicas[name] <= more.replicas[name] for name in less.replicas)
