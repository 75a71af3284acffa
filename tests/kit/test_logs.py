"""Log lines: ids as fields, and nothing of what a message says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from services.kit import logs

log = logging.getLogger("tests.logs")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(log_format: Literal["text", "json"]) -> str:
    stream = io.StringIO()
    logs.configure("shop", log_format, stream=stream)
    log.info("sold", extra={"account_id": "a1"})
    try:
        raise ValueError("quoting what somebody wrote")
    except ValueError:
        log.exception("failed")
    return stream.getvalue()


def test_json_lines_are_objects_with_the_given_ids() -> None:
    sold, failed = map(json.loads, lines("json").splitlines())
    assert (sold["service"], sold["level"], sold["message"]) == ("shop", "INFO", "sold")
    assert sold["account_id"] == "a1"
    assert failed["exception"] == "ValueError"
    assert failed["frames"][-1].endswith(" lines")


def test_json_lines_do_not_repeat_what_an_exception_quotes() -> None:
    assert "somebody wrote" not in lines("json")


def test_text_lines_are_readable() -> None:
    text = lines("text")
    assert "shop      INFO    sold  account_id=a1" in text
    assert "ValueError: quoting what somebody wrote" in text
