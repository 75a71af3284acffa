"""What `hudhud logs` reads: the last lines, and what is added to a log or to the one after it."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from services.local import cli
from services.local.logs import LogReader, follow, logged_names


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "logs" / "edge.log"
    file.parent.mkdir()
    file.write_text("one\ntwo\nthree\n")
    return file


def add(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_it_begins_with_the_last_lines_and_goes_on_with_whole_ones(log: Path) -> None:
    reader = LogReader(log, lines=2)
    assert reader.read() == ["two", "three"]
    add(log, "fo")
    assert reader.read() == []
    add(log, "ur\nfive\n")
    assert reader.read() == ["four", "five"]
    assert LogReader(log, lines=0).read() == []
    assert LogReader(log, lines=9).read() == ["one", "two", "three", "four", "five"]


def test_a_log_that_is_begun_anew_is_read_from_its_beginning(log: Path) -> None:
    reader = LogReader(log, lines=1)
    add(log, "half a line")
    assert reader.read() == ["three"]
    log.write_text("anew\n")
    assert reader.read() == ["anew"]


def test_a_log_that_is_not_there_yet_is_read_once_it_is(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "edge.log", lines=5)
    assert reader.read() == []
    (tmp_path / "edge.log").write_text("here\n")
    assert reader.read() == ["here"]


async def test_following_tells_who_said_what(log: Path) -> None:
    log.with_name("billing.log").write_text("paid\n")
    assert logged_names(log.parent) == ["billing", "edge"]
    async with (
        asyncio.timeout(20),
        aclosing(follow(log.parent, ["billing", "edge"], lines=1)) as said,
    ):
        assert [await anext(said), await anext(said)] == [("billing", "paid"), ("edge", "three")]
        add(log, "four\n")
        assert await anext(said) == ("edge", "four")


@pytest.fixture
def hudhud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """The command, for this state folder: its exit code and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setenv("HUDHUD_STATE_DIR", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["hudhud", *words])
        with pytest.raises(SystemExit) as ended:
            sys.exit(cli.main())
        return int(ended.value.code or 0), " ".join(capsys.readouterr().out.split())

    return run


@pytest.mark.parametrize("name", ["nobody", "[/red]"])
def test_who_has_no_log_is_told_who_has(
    log: Path, hudhud: Callable[..., tuple[int, str]], name: str
) -> None:
    code, said = hudhud("logs", name)
    assert (code, f"{name} has no log in {log.parent}. There are: edge" in said) == (1, True), said
    code, said = hudhud("logs", "-n", "1")
    assert (code, "two" in said, "three" in said) == (0, False, True)


@pytest.mark.parametrize("command", ["logs", "status"])
def test_where_nothing_ever_ran_it_says_how_to_start(
    hudhud: Callable[..., tuple[int, str]], command: str
) -> None:
    code, said = hudhud(command)
    assert (code, "hudhud run" in said) == (1, True), said
