"""The field rules of the protos: what keeps them, what breaks them, and how that is said."""

from typing import Any

import pytest

from hudhud.edge.v1 import edge_service_pb2
from hudhud.policy.v1 import policy_service_pb2
from services.kit import rules
from services.kit.errors import CommonReasons, Refusal
from tests.kit.probe import pb

GOOD_UUID = "01970000-0000-7000-8000-000000000001"


def sound(**changes: Any) -> Any:
    """A message that keeps every rule, changed."""
    fields: dict[str, Any] = {
        "uuid": GOOD_UUID,
        "name": "abc",
        "code": "123",
        "key": b"12",
        "numbers": [1, 9],
        "colour": pb.COLOUR_RED,
        "inner": pb.Inner(text="abc"),
        "left": "abc",
    }
    return pb.Ruled(**{**fields, **changes})


def said(message: Any) -> dict[str, str]:
    return {violation.field: violation.description for violation in rules.violations(message)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "ابجد"},  # four characters, eight bytes
        {"short_text": "abcdef"},
        {"wait": {"seconds": 30}},
        {"wait": {"seconds": 60}},
        {"nickname": "ab"},
        {"parameters": {"a": "abc", "b": ""}},
        {"inner": pb.Inner(children=[pb.Inner(children=[pb.Inner(text="abc")])])},
        {"left": ""},  # set, though empty
        {"left": None, "right": pb.Inner()},
    ],
)
def test_values_that_keep_the_rules(changes: dict[str, Any]) -> None:
    assert said(sound(**changes)) == {}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"uuid": ""}, "uuid", "must be a UUID"),
        ({"uuid": GOOD_UUID.upper().replace("1", "A")}, "uuid", "must be a UUID"),
        ({"uuid": GOOD_UUID + "\n"}, "uuid", "must be a UUID"),
        ({"name": ""}, "name", "must not be empty"),
        ({"name": "a"}, "name", "has 1 characters; at least 2 are needed"),
        ({"name": "ابجده"}, "name", "has 5 characters; at most 4 are allowed"),
        ({"name": "a\0b"}, "name", "NUL"),
        ({"code": "1234"}, "code", "must match [0-9]{3}"),
        ({"code": "123\n"}, "code", "must match [0-9]{3}"),
        ({"key": b"1"}, "key", "has 1 bytes; at least 2 are needed"),
        ({"key": b"1234"}, "key", "has 4 bytes; at most 3 are allowed"),
        ({"short_text": "ابجد"}, "short_text", "has more than 6 bytes in UTF-8"),
        ({"numbers": []}, "numbers", "has 0 elements; at least 1 are needed"),
        ({"numbers": [1, 2, 3, 4]}, "numbers", "has 4 elements; at most 3 are allowed"),
        ({"numbers": [1, 1]}, "numbers", "more than once"),
        ({"numbers": [1, 0]}, "numbers[1]", "must be at least 1"),
        ({"numbers": [10, 1]}, "numbers[0]", "must be at most 9"),
        ({"colour": 0}, "colour", "must be set"),
        ({"colour": 7}, "colour", "not a value of this release"),
        ({"wait": {"seconds": 29, "nanos": 999_999_999}}, "wait", "at least 30 seconds"),
        ({"wait": {"seconds": 60, "nanos": 1}}, "wait", "at most 60 seconds"),
        ({"nickname": ""}, "nickname", "at least 2 are needed"),
        ({"parameters": {"a": "", "b": "", "c": ""}}, "parameters", "has 3 elements"),
        ({"parameters": {"A": ""}}, "parameters[0]", "has a key that does not match [a-z]+"),
        ({"parameters": {"a": "abcd"}}, "parameters[0]", "has 4 characters"),
        ({"inner": None}, "inner", "must be set"),
        ({"inner": pb.Inner(text="abcd")}, "inner.text", "has 4 characters"),
        (
            {"inner": pb.Inner(children=[pb.Inner(), pb.Inner(text="abcd")])},
            "inner.children[1].text",
            "has 4 characters",
        ),
        (
            {"list": [pb.Inner(), pb.Inner(children=[pb.Inner(text="abcd")])]},
            "list[1].children[0].text",
            "has 4 characters",
        ),
        ({"inner_by_name": {"a": pb.Inner(text="abcd")}}, "inner_by_name[0].text", "has 4"),
        ({"left": None}, "choice", "one of left, right must be set"),
        ({"left": "abcd"}, "left", "has 4 characters"),
        ({"left": None, "right": pb.Inner(text="abcd")}, "right.text", "has 4 characters"),
        ({"free": "\0"}, "free", "NUL"),
    ],
)
def test_a_broken_rule_is_said_with_its_path(
    changes: dict[str, Any], field: str, words: str
) -> None:
    answer = said(sound(**changes))
    assert list(answer) == [field]
    assert words in answer[field]


def test_every_violation_is_collected_and_no_value_is_quoted() -> None:
    message = sound(uuid="secret", name="secret", key=b"secret", left="secret")
    assert set(said(message)) == {"uuid", "name", "key", "left"}
    with pytest.raises(Refusal) as caught:
        rules.check(message)
    assert caught.value.has(CommonReasons.INVALID_FIELD)
    assert "and 3 more" in caught.value.message
    assert "secret" not in str(caught.value.to_status())


def test_each_item_has_its_own_path() -> None:
    bad = pb.Inner(text="abcd", children=[pb.Inner(text="abcd")])
    assert list(said(sound(list=[bad, pb.Inner(), bad]))) == [
        "list[0].text",
        "list[0].children[0].text",
        "list[2].text",
        "list[2].children[0].text",
    ]


def test_a_message_without_rules_has_no_check() -> None:
    assert rules.compiled(pb.Unruled.DESCRIPTOR) is None


def test_a_rule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"probe\.v1\.Misruled\.number: the rule max_length"):
        rules.compiled(pb.Misruled.DESCRIPTOR)


def test_items_can_be_left_out() -> None:
    request = policy_service_pb2.ScreenMessagesRequest(items=[policy_service_pb2.ScreenItem()])
    whole: list[Any] = []
    check = rules.compiled(request.DESCRIPTOR)
    assert check is not None
    check(request, whole)
    assert "items[0].message_id" in dict(whole)
    frame: list[Any] = []
    check = rules.compiled(request.DESCRIPTOR, "items")
    assert check is not None
    check(request, frame)
    assert frame == []
    check(policy_service_pb2.ScreenMessagesRequest(), frame)
    assert [violation.field for violation in frame] == ["items"]


def test_a_message_of_the_contract() -> None:
    request = edge_service_pb2.SendMessageRequest()
    assert said(request) == {"message": "must be set"}
    request.message.content.text.body = "x" * 5000
    assert set(said(request)) == {
        "message.message_id",
        "message.recipient",
        "message.kind",
        "message.content.text.body",
    }
