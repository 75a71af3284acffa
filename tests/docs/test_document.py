"""docs/scale.md says what its figures say, and no figure of its own."""

import json
import re
from pathlib import Path

import pytest

from docs.scale.claims import Answers
from docs.scale.document import DOCUMENT, PART, main, written
from docs.scale.figures import MEASURED, Figures
from docs.scale.markdown import amount, number, power

# A number with a unit that somebody measured or computed.
FIGURE = re.compile(
    r"\d[\d,.]*\s*(µs|ms|MB|GB|TB|PB|kB|bytes|cores|[\w-]+/s\b|Mb/s|Gb/s|\$|percent of|events)"
)


@pytest.fixture(scope="module")
def document() -> str:
    return DOCUMENT.read_text("utf-8")


def test_the_tables_are_made_from_the_figures_that_are_kept(
    document: str, figures: Figures, answers: Answers
) -> None:
    assert document == written(document, figures, answers), "run: make scale"


def test_another_figure_would_be_another_document(
    document: str, figures: Figures, answers: Answers
) -> None:
    other = Figures({**figures, "cpu_delivery_messaging": figures["cpu_delivery_messaging"] * 2})
    assert document != written(document, other, answers)


def test_every_part_is_there_once_and_has_a_maker(
    document: str, figures: Figures, answers: Answers
) -> None:
    names = [match.group(2) for match in PART.finditer(document)]
    assert len(names) == len(set(names)) == document.count("<!-- made: ") > 10
    with pytest.raises(KeyError, match="unheard_of"):
        written("<!-- made: unheard_of -->\n<!-- end -->", figures, answers)


def test_outside_its_tables_the_document_has_no_figures(document: str) -> None:
    prose = PART.sub("", document).partition("[^field]: ")[0]
    assert FIGURE.findall(prose) == []
    assert FIGURE.search("it takes 1,200 µs"), "the pattern finds what it should"


def test_files_that_the_document_names_are_there(document: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", document)
    assert links
    assert [link for link in links if not (DOCUMENT.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (2.0, "2"),
        (0.0234, "0.023"),
        (12.34, "12"),
        (1234.5, "1,200"),
        (-55.5, "-56"),
        (float("inf"), "never"),
    ],
)
def test_numbers_have_two_digits_that_mean_something(value: float, told: str) -> None:
    assert number(value) == told


def test_amounts_take_their_thousands_into_the_unit() -> None:
    assert amount(1_530_000, "B") == "1.5 MB"
    assert amount(999.9, "B") == "1.0 kB"
    assert amount(12, "B") == "12 B"
    assert power(11) == "10¹¹"


@pytest.mark.parametrize("value", [None, "12", float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_named(tmp_path: Path, value: object) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps([{"name": "cpu_of_nothing", "value": value, "unit": "us"}]))
    with pytest.raises(ValueError, match="cpu_of_nothing"):
        Figures.read(file)


@pytest.mark.parametrize(
    "content", ["", "null", "{}", "[1]", '[{"value": 1}]', '[{"name": "a", "value": 1}]', "\xff"]
)
def test_figures_that_are_none_are_refused_and_change_nothing(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    file.write_bytes(content.encode("latin-1"))
    before = MEASURED.read_bytes(), DOCUMENT.read_bytes()
    assert main(["--take", str(file)]) == 1
    assert "bench.json is not what make bench writes" in capsys.readouterr().err
    assert main(["--take", str(tmp_path / "nowhere")]) == 1
    assert before == (MEASURED.read_bytes(), DOCUMENT.read_bytes())


def test_a_figure_that_was_not_measured_is_named(figures: Figures) -> None:
    with pytest.raises(KeyError, match="cpu_delivery_nobody"):
        figures.cpu("delivery", "nobody")
