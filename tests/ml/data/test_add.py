"""`hudhud-ml data add`: every line is added, a duplicate, or named."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from click.testing import CliRunner, Result

from ml.cli import main
from ml.command import SOME_LINES_UNUSABLE
from ml.data import Row
from ml.data.store import Store

ROWS = [
    {"id": "a", "text": "Your parcel arrives today", "lang": "en", "label": "transactional"},
    {"id": "b", "text": "70% off all shoes, shop now", "lang": "en", "label": "promotional"},
    {"id": "c", "text": "وصل طلبك", "lang": "ar", "label": "transactional"},
]


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


class House:
    """A folder with files to add and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")

    def add(self, content: bytes, *options: str, name: str = "some.jsonl") -> Result:
        path = self.folder / name
        path.write_bytes(content)
        arguments = ["data", "add", str(path), "--store", str(self.store.folder), *options]
        return CliRunner().invoke(main, arguments)

    def texts(self) -> list[str]:
        return [row.text for row in self.store.rows()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("some.jsonl", bytes), ("some.jsonl.gz", gzip.compress),
     ("some.jsonl", lambda packed: b"\xef\xbb\xbf" + packed)],
)  # fmt: skip
def test_json_lines_are_added(house: House, name: str, pack: Any) -> None:
    result = house.add(pack(lines(*ROWS)), name=name)

    assert result.exit_code == 0, result.output
    assert house.store.rows()[0] == Row(
        "a", "Your parcel arrives today", "en", "transactional", name,
        house.store.rows()[0].group, "",
    )  # fmt: skip
    assert f"{name}: 3 lines, 3 added, 0 duplicates, 0 unusable." in result.output


def test_adding_the_same_again_changes_no_byte(house: House) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in house.store.folder.iterdir()}

    house.add(lines(*ROWS))
    before = contents()
    result = house.add(lines(*ROWS))

    assert "0 added, 3 duplicates" in result.output
    assert contents() == before


def test_no_line_is_lost(house: House) -> None:
    content = b"\n".join([
        lines(ROWS[0]).strip(), b"", b"{broken", b'["list"]', b'{"text": "\xff", "label": "scam"}',
        lines(ROWS[0] | {"id": "again"}).strip(), b'{"label": "scam"}', b'{"text": "no label"}',
        b'{"text": "what", "label": "spammy"}', b'{"text": "list", "label": ["scam"]}',
        b'{"text": "half \\ud83d", "label": "scam"}', b"[" * 100_000,
        b'{"text": "odd", "label": "scam", "lang": "English, I think"}',
        lines({"text": "x" * 20_000, "label": "scam"}).strip(),
    ])  # fmt: skip
    result = house.add(content, "--json")

    assert result.exit_code == SOME_LINES_UNUSABLE
    [told] = json.loads(result.stdout)["files"]
    assert (told["lines"], told["added"], told["duplicates"]) == (13, 1, 1)
    labels = "say one of promotional, scam, transactional, personal, other_spam, unknown_ham"
    assert [(line["number"], line["reason"]) for line in told["unusable"]] == [
        (3, "not JSON"), (4, "not a JSON object"), (5, "not UTF-8"), (7, "no text"),
        (8, f"no label: {labels}"), (9, f"unknown label 'spammy': {labels}"),
        (10, f"unknown label \"['scam']\": {labels}"),
        (11, "half a character in the text (a lone surrogate)"), (12, "not JSON"),
        (13, "unknown language 'English, I think': use ISO 639-1, as in 'en'"),
        (14, "longer than 16,384 characters"),
    ]  # fmt: skip
    assert "some.jsonl:3: not JSON" in result.stderr


def test_a_table_is_read_by_its_columns(house: House) -> None:
    content = (
        'Message,v1,Lang\r\n"Hello, ""you""\nthere",HAM,en-GB\r\n\r\nBuy now,Spam ,en\r\n'
        "too,many,fields,here\r\n"
    )
    result = house.add(
        b"\xef\xbb\xbf" + content.encode(), "--column", "text=Message", "--column", "label=v1",
        "--label-map", "ham=personal", "--label-map", "SPAM=other_spam", "--source", "mine",
        "--licence", "CC BY 4.0", name="some.csv",
    )  # fmt: skip

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "some.csv:6: 4 fields where there are 3 columns" in result.stderr
    assert [(row.id, row.text, row.label, row.language) for row in house.store.rows()] == [
        ("2", 'Hello, "you"\nthere', "personal", "en"), ("5", "Buy now", "other_spam", "en"),
    ]  # fmt: skip
    assert house.store.manifest().sources["mine"].licence == "CC BY 4.0"


def test_a_table_without_header_and_quotes(house: House) -> None:
    result = house.add(
        b'ham\t"Only one mark\nspam\tWin \xff cash\nspam\tCall now\n', "--no-header", "--no-quotes",
        "--column", "label=1", "--column", "text=2", "--label-map", "ham=personal",
        "--label-map", "spam=scam", "--language", "en", name="some.tsv",
    )  # fmt: skip

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "some.tsv:2: not UTF-8" in result.stderr
    assert house.texts() == ['"Only one mark', "Call now"]


def test_a_quotation_mark_that_is_never_closed_is_named(house: House) -> None:
    content = 'text,label\n"never closed,scam\n' + "a line,scam\n" * 15_000
    result = house.add(content.encode(), name="some.csv")

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "some.csv:2: too long up to line" in result.stderr


def workbook(path: Path, rows: list[list[str]], shared: bool) -> None:
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    strings = [field for row in rows for field in row]
    cells = iter(range(len(strings)))

    def cell(letter: str, number: int, field: str) -> str:
        at = next(cells)
        if shared:
            return f'<c r="{letter}{number}" t="s"><v>{at}</v></c>'
        return f'<c r="{letter}{number}" t="inlineStr"><is><t>{escape(field)}</t></is></c>'

    sheet = "".join(
        f'<row r="{number}">'
        + "".join(cell(letter, number, field) for letter, field in zip("ACD", row, strict=True))
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f"<worksheet {main}><sheetData>{sheet}</sheetData></worksheet>",
        )
        if shared:
            items = "".join(f"<si><r><t>{escape(field)}</t></r></si>" for field in strings)
            archive.writestr("xl/sharedStrings.xml", f"<sst {main}>{items}</sst>")


@pytest.mark.parametrize("shared", [True, False])
def test_a_workbook_is_read(house: House, shared: bool) -> None:
    path = house.folder / "made.xlsx"
    workbook(path, [["Tweet Text", "Label", "x"], ["اربح الآن & <b>", "Spam", ""]], shared)
    result = house.add(
        path.read_bytes(), "--column", "text=Tweet Text", "--column", "label=Label",
        "--label-map", "spam=other_spam", "--language", "ar", name="some.xlsx",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert house.texts() == ["اربح الآن & <b>"]


@pytest.mark.parametrize(
    ("content", "name", "options", "said"),
    [
        (b"", "some.jsonl", (), "holds no messages"),
        (b"no workbook", "some.xlsx", (), "no workbook (XLSX) or a damaged one"),
        ("text,label\n".encode("utf-16"), "some.csv", (), "is UTF-16. Save it as UTF-8."),
        (b"a,b\n1,2\n", "some.csv", ("--column", "text=c"), "No column 'c' for text. The columns"),
        (b"not packed", "some.jsonl.gz", (), "Not a gzipped file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    house: House, content: bytes, name: str, options: tuple[str, ...], said: str
) -> None:
    result = house.add(content, *options, name=name)

    assert result.exit_code in (1, SOME_LINES_UNUSABLE)
    assert said in result.stderr
    assert house.store.rows() == []


def test_a_packed_file_that_is_cut_short_gives_what_it_has(house: House) -> None:
    packed = gzip.compress(lines(*({"text": f"hello {at}", "label": "personal"}
                                   for at in range(9_999))))  # fmt: skip
    result = house.add(packed[: len(packed) // 2], name="some.jsonl.gz")

    assert result.exit_code == SOME_LINES_UNUSABLE
    assert "the file ends in the middle" in result.stderr
    assert 0 < len(house.texts()) < 9_999


@pytest.mark.parametrize(
    "options",
    [("--column", "colour=red"), ("--column", "text"), ("--label-map", "spam=bad"),
     ("--label-map", "scam"), ("--language", "English"), ("--format", "pdf")],
)  # fmt: skip
def test_a_wrong_call_ends_with_two(house: House, options: tuple[str, ...]) -> None:
    assert house.add(lines(*ROWS), *options).exit_code == 2


def test_what_identifies_people_is_not_stored(house: House) -> None:
    text = "Call 0501234567 or ann.lee@example.com, https://example.com/pay?user=ann"
    result = house.add(lines({"text": text, "label": "scam", "lang": "en"}))

    stored = b"".join(path.read_bytes() for path in house.store.folder.iterdir())
    assert b"Call 0500000000 or name@example.com, https://example.com/pay" in stored
    assert b"1234567" not in stored
    assert b"ann" not in stored
    assert "1 texts held long numbers" in result.stderr


def test_near_duplicates_and_conflicts_are_found(house: House) -> None:
    notice = "Your card ending 4411 was charged EUR {} at Corner Bakery on Monday morning."
    house.add(lines({"id": "1", "text": notice.format("12.50"), "lang": "en", "label": "scam"}))
    result = house.add(
        lines({"id": "2", "text": notice.format("730.10"), "lang": "en", "label": "transactional"},
              {"id": "3", "text": "See you at eight", "lang": "en", "label": "personal"}),
        "--json", name="other.jsonl",
    )  # fmt: skip

    [told] = json.loads(result.stdout)["files"]
    assert told["conflicts"] == [
        [{"id": "some.jsonl:1", "label": "scam"}, {"id": "other.jsonl:2", "label": "transactional"}]
    ]
    group = {row.id: row.group for row in house.store.rows()}
    assert group["3"] != group["1"] == group["2"]
    assert told["near_duplicates"] == 1


def test_groups_that_a_file_names_stay_together(house: House) -> None:
    house.add(lines({"text": "Guten Morgen", "label": "personal", "group": "g"},
                    {"text": "Good morning", "label": "personal", "group": "g"},
                    {"text": "Buenos días", "label": "personal", "group": "h"}))  # fmt: skip

    first, second, third = (row.group for row in house.store.rows())
    assert first == second != third


def test_a_message_that_joins_two_groups_makes_them_one(house: House) -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    house.add(lines({"text": f"{long} red", "label": "personal", "group": "g"},
                    {"text": "something else", "label": "personal", "group": "g"}))  # fmt: skip
    house.add(lines({"text": f"{long} blue", "label": "personal", "group": "k"},
                    {"text": "and yet another", "label": "personal", "group": "k"}),
              name="other.jsonl")  # fmt: skip

    assert len({row.group for row in house.store.rows()}) == 1


def test_unwanted_messages_of_a_language_without_innocent_ones_are_told(house: House) -> None:
    result = house.add(lines({"text": "Vinn pengar nu", "lang": "sv", "label": "scam"}))

    assert "1 unwanted messages in sv are not trained on" in result.stderr
    assert "One class only: all 1 are unwanted" in result.stderr


def test_ids_that_are_taken_get_one_of_their_own(house: House) -> None:
    house.add(lines({"id": "1", "text": "first text", "label": "personal"},
                    {"id": "1", "text": "quite another", "label": "personal"}))  # fmt: skip

    one, other = (row.id for row in house.store.rows())
    assert one == "1"
    assert other.startswith("1-")
