"""`hudhud-ml data fetch`, against a real HTTP server that behaves as servers do."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.data.store import Store

TABLE = b'ham\tSee you at eight\nspam\tWin a "prize" now, call 09061234567\n'


def archive(table: bytes = TABLE, name: str = "folder/messages.txt") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr(zipfile.ZipInfo("readme.txt"), b"About it.")
        made.writestr(zipfile.ZipInfo(name), table)
    return packed.getvalue()


class Publisher:
    """A server of one file; `cut_at` are the lengths after which it hangs up, one an answer."""

    def __init__(self) -> None:
        self.content = archive()
        self.etag = '"one"'
        self.status = 200
        self.cut_at: list[int] = []
        self.ranges: list[str | None] = []
        self.location = ""

    def serve(self) -> ThreadingHTTPServer:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        start = 0
        if asked and handler.headers.get("If-Range") == self.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        body = self.content[start:]
        handler.send_response(206 if start else self.status)
        if self.location:
            handler.send_header("Location", self.location)
        if start:
            handler.send_header(
                "Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            )
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_at.pop(0)] if self.cut_at else body)


class House:
    def __init__(self, folder: Path, url: str) -> None:
        self.store = Store(folder / "store")
        self.url = url
        self.sets = folder / "sets.toml"
        self.describe()

    def describe(self, sha256: str = "", url: str = "", member: str = "messages.txt") -> None:
        self.sets.write_text(f"""
            [made]
            title = "A made-up set"
            url = "{url or self.url}"
            sha256 = "{sha256}"
            licence = "CC BY 4.0"
            citation = "Somebody, 2026"
            language = "en"
            member = "{member}"
            format = "tsv"
            header = false
            quotes = false
            columns = {{ label = "1", text = "2" }}
            labels = {{ ham = "personal", spam = "other_spam" }}
        """)

    def fetch(self, *arguments: str) -> Result:
        options = ["--sets", str(self.sets), "--store", str(self.store.folder)]
        return CliRunner().invoke(main, ["data", "fetch", *arguments, *options])

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.store.folder / "fetched").iterdir())


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def house(tmp_path: Path, publisher: Publisher) -> Iterator[House]:
    server = publisher.serve()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield House(tmp_path, f"http://127.0.0.1:{server.server_port}/set.zip")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_set_is_fetched_and_taken_in(house: House, publisher: Publisher) -> None:
    digest = hashlib.sha256(publisher.content).hexdigest()
    house.describe(sha256=digest)
    result = house.fetch()

    assert result.exit_code == 0, result.output
    assert [(row.text, row.label, row.source, row.language) for row in house.store.rows()] == [
        ("See you at eight", "personal", "made", "en"),
        ('Win a "prize" now, call 09000000000', "other_spam", "made", "en"),
    ]
    source = house.store.manifest().sources["made"]
    assert (source.licence, source.citation) == ("CC BY 4.0", "Somebody, 2026")
    assert (source.additions[0].url, source.additions[0].sha256) == (house.url, digest)
    assert "nobody had told the digest" not in result.stderr
    assert house.left() == []  # what was not pseudonymised is gone


def test_what_is_there_is_not_fetched_again(house: House, publisher: Publisher) -> None:
    house.fetch()
    result = house.fetch("made")

    assert result.exit_code == 0
    assert "made is there already" in result.stderr
    assert len(publisher.ranges) == 1


def test_an_unknown_digest_is_trusted_once_and_said(house: House, publisher: Publisher) -> None:
    first = hashlib.sha256(publisher.content).hexdigest()
    assert f"trusted from now on: SHA-256 {first}" in house.fetch().stderr
    CliRunner().invoke(main, ["data", "remove", "made", "--store", str(house.store.folder)])
    house.fetch()

    publisher.content = archive(TABLE + b"ham\tAnother one\n")
    with house.store.changing() as change:  # the messages go, and what was trusted stays
        change.commit({}, {}, change.manifest.trusted)
    result = house.fetch()
    assert result.exit_code == 1
    assert f"not {first}. Nothing of it was taken in." in result.stderr
    assert house.store.rows() == []


def test_another_file_than_the_known_one_is_refused(house: House) -> None:
    house.describe(sha256="0" * 64)
    result = house.fetch("--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"]["made"].startswith("DigestUnexpected: What http")
    assert house.store.rows() == []
    assert house.left() == []


def test_a_server_that_is_not_there_is_named(house: House) -> None:
    house.describe(url="http://127.0.0.1:9/set.zip")
    result = house.fetch()

    assert result.exit_code == 1
    assert "made: Unreachable: 127.0.0.1:9 cannot be reached: [Errno 111]" in result.stderr


def test_a_host_nobody_knows_is_named(house: House) -> None:
    house.describe(url="http://nobody.invalid/set.zip")

    assert "nobody.invalid cannot be reached:" in house.fetch().stderr


def test_a_refusal_of_the_server_is_told(house: House, publisher: Publisher) -> None:
    publisher.status = 404

    assert "answered 404 Not Found." in house.fetch().stderr


def test_what_is_cut_short_is_resumed(house: House, publisher: Publisher) -> None:
    publisher.cut_at = [100, 50]
    result = house.fetch()

    assert result.exit_code == 0, result.output
    assert publisher.ranges == [None, "bytes=100-", "bytes=150-"]
    assert len(house.store.rows()) == 2


def test_a_later_call_goes_on(house: House, publisher: Publisher) -> None:
    publisher.cut_at = [100, 50, 10]
    result = house.fetch()
    assert result.exit_code == 1
    assert f"160 of {len(publisher.content)} bytes came; the next call goes on" in result.stderr
    assert house.left() == ["made.zip.part", "made.zip.version"]

    assert house.fetch().exit_code == 0
    assert publisher.ranges[-1] == "bytes=160-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(house: House, publisher: Publisher) -> None:
    publisher.cut_at = [100, 0, 0]
    house.fetch()
    publisher.content, publisher.etag = archive(TABLE + b"ham\tAnother one\n"), '"two"'

    assert house.fetch().exit_code == 0
    assert len(house.store.rows()) == 3


def test_without_a_version_nothing_is_pieced_together(house: House, publisher: Publisher) -> None:
    publisher.etag, publisher.cut_at = "", [100]

    assert house.fetch().exit_code == 0
    assert publisher.ranges == [None, None]


@pytest.mark.parametrize(
    ("content", "member", "said"),
    [
        (b"not an archive", "messages.txt", "no archive, or a damaged one"),
        (archive(), "other.txt", "there should be one other.txt"),
        (archive(b""), "messages.txt", "holds no messages"),
    ],
)
def test_an_archive_that_cannot_be_used_is_refused(
    house: House, publisher: Publisher, content: bytes, member: str, said: str
) -> None:
    publisher.content = content
    house.describe(member=member)
    result = house.fetch()

    assert result.exit_code == 1
    assert said in result.stderr
    assert house.store.manifest().trusted == {}
    assert house.left() == []


def test_lines_that_cannot_be_used_are_named(house: House, publisher: Publisher) -> None:
    publisher.content = archive(TABLE + b"what\tis this\n")
    result = house.fetch()

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert ":3: unknown label 'what'" in result.stderr


def test_a_server_may_send_on_but_not_to_files(house: House, publisher: Publisher) -> None:
    publisher.status, publisher.location = 302, "file:///etc/passwd"

    assert house.fetch().exit_code == 1


def test_wrong_calls(house: House) -> None:
    result = house.fetch("unheard-of")
    assert result.exit_code == 2
    assert "is none of made" in result.stderr

    for content in ("[", "[made]\ntitle = 1", 'made = "x"'):
        house.sets.write_text(content)
        assert house.fetch().exit_code == 1
    house.describe(url="ftp://somewhere/set.zip")
    assert "has a url, format, column or label of no kind" in house.fetch().stderr


def test_the_list_of_public_sets_is_sound() -> None:
    from ml.data.public_sets import read_public_sets

    sets = read_public_sets()
    assert {"uci_sms", "mishra_soni", "ar_tweets"} <= set(sets)
    assert all(each.url.startswith("https://") and each.citation for each in sets.values())
