"""The access file: how it is read, and whom it admits."""

import pytest
from google.protobuf import descriptor_pool

from hudhud.billing.v1 import (
    billing_service_pb2,
    correction_service_pb2,
    statement_service_pb2,
)
from hudhud.edge.v1 import edge_service_pb2
from hudhud.identity.v1 import identity_service_pb2
from hudhud.messaging.v1 import messaging_service_pb2
from hudhud.policy.v1 import label_service_pb2, model_service_pb2, policy_service_pb2
from services.kit.access import ANYONE, AccessList, Caller, CallerKind, parse_rule
from services.kit.clock import new_id
from services.kit.errors import CommonReasons, Refusal

EDGE = Caller(CallerKind.SERVICE, service="edge")
BUSINESS = Caller(CallerKind.BUSINESS, business_id=new_id())
DEVICE = Caller(CallerKind.DEVICE, person_id=new_id(), device_id=new_id())
OPERATOR = Caller(CallerKind.OPERATOR, operator="operator")
EVERYBODY = (EDGE, BUSINESS, DEVICE, OPERATOR, ANYONE)
SERVICES = (
    identity_service_pb2,
    policy_service_pb2,
    model_service_pb2,
    label_service_pb2,
    billing_service_pb2,
    correction_service_pb2,
    statement_service_pb2,
    messaging_service_pb2,
    edge_service_pb2,
)


def test_the_file_lists_every_rpc_of_the_contract_and_nothing_else() -> None:
    promised = {
        f"{service.full_name}/{method.name}"
        for module in SERVICES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in descriptor_pool.Default().FindServiceByName(service.full_name).methods
    }
    assert set(AccessList.load().methods) == promised


@pytest.mark.parametrize(
    ("callers", "admitted"),
    [
        (["service:edge"], {EDGE}),
        (["service:policy"], set()),
        (["business"], {BUSINESS}),
        (["device", "operator"], {DEVICE, OPERATOR}),
        (["anyone"], set(EVERYBODY)),
    ],
)
def test_a_rule_admits_whom_it_lists(callers: list[str], admitted: set[Caller]) -> None:
    rule = parse_rule(callers)
    assert {caller for caller in EVERYBODY if rule.admits(caller)} == admitted


def test_every_problem_of_the_file_is_named() -> None:
    with pytest.raises(ValueError) as caught:
        AccessList.parse(
            {"a.v1.A": {"One": ["bussiness"], "Two": [], "Three": ["service:"]}, "b.v1.B": 3}
        )
    for words in ("a.v1.A/One: 'bussiness'", "a.v1.A/Two", "a.v1.A/Three: 'service:'", "b.v1.B"):
        assert words in str(caught.value)


def test_what_is_not_listed_is_named() -> None:
    access = AccessList.parse({"a.v1.A": {"One": ["business"]}})
    access.require_all(["a.v1.A/One", "grpc.health.v1.Health/Check"])
    with pytest.raises(ValueError, match=r"a\.v1\.A/Two"):
        access.require_all(["a.v1.A/One", "a.v1.A/Two"])


def test_who_may_act_for_a_business() -> None:
    assert BUSINESS.business_id is not None
    for business_id in (BUSINESS.business_id, str(BUSINESS.business_id)):
        may = {caller for caller in EVERYBODY if caller.may_act_for(business_id)}
        assert may == {BUSINESS, EDGE, OPERATOR}
    assert {caller for caller in EVERYBODY if caller.may_act_for(new_id())} == {EDGE, OPERATOR}
    BUSINESS.must_act_for(BUSINESS.business_id)
    with pytest.raises(Refusal) as caught:
        BUSINESS.must_act_for(new_id())
    assert caught.value.has(CommonReasons.CALLER_NOT_ALLOWED)
