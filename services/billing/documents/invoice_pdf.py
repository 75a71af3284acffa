"""Owns an invoice as PDF: for people, in a language that runs from left to right or the other way.

The same invoice is the same bytes each time: nothing in it depends on when or where it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from services.billing.documents import fonts
from services.billing.documents.amounts import grouped
from services.billing.documents.words import WORDS, description
from services.billing.domain.invoices import Invoice, InvoiceLine, Party
from services.billing.domain.money import decimal

_FONT: Final = fonts.MAIN.name
# A number keeps its order among words that run from right to left.
_LEFT_TO_RIGHT: Final = "\u200e"
_MARGIN: Final = 18.0  # millimetres, as everything here
_LINE: Final = 5.2
_WIDTHS: Final = (76.0, 22.0, 22.0, 24.0, 30.0)
_GREY: Final = 120

_Align = Literal["L", "R"]


def invoice_pdf(invoice: Invoice, language: str) -> bytes:
    """The document with its own words in `language`: "en" or "ar". Raises NotPrintable."""
    page = _Page(invoice, language)
    page.draw_head()
    page.draw_parties()
    page.draw_lines()
    page.draw_sums()
    return bytes(page.output())


class _Page(FPDF):
    """A4 pages, mirrored where the language runs from right to left."""

    def __init__(self, invoice: Invoice, language: str) -> None:
        super().__init__(format="A4")
        self._invoice = invoice
        self._words = WORDS[language]
        self._is_mirrored = language == "ar"
        self.set_creation_date(invoice.issue_time)
        self.set_title(invoice.number_text)
        self.set_author(invoice.seller.legal_name)
        self.set_lang(language)
        self.set_margin(_MARGIN)
        self.set_auto_page_break(True, margin=22)
        beside = list(fonts.fonts_beside_main([*self._words.values(), *_said_in(invoice)]))
        for font in (fonts.MAIN, *beside):
            self.add_font(font.name, "", font.regular)
            self.add_font(font.name, "B", font.bold)
        self.set_fallback_fonts([font.name for font in beside])
        self.set_text_shaping(True)
        self.set_font(_FONT, size=9)
        self.alias_nb_pages()
        self.add_page()

    def footer(self) -> None:
        """The number and the page, on each."""
        self.set_y(-15)
        self.set_font(_FONT, size=8)
        self.set_text_color(_GREY)
        text = f"{self._invoice.number_text} · {_said(self._words['page'], str(self.page_no()))}"
        self.cell(0, _LINE, text, align="C")
        self.set_text_color(0)

    def draw_head(self) -> None:
        """What it is, its number and its days."""
        invoice, words = self._invoice, self._words
        self.set_font(_FONT, "B", 17)
        self._across(words[invoice.kind], 10)
        self._across(invoice.number_text, 10)
        self.set_font(_FONT, size=9)
        self.ln(1)
        self._across(_said(words["issued"], str(invoice.issue_day)), _LINE)
        self._across(_said(words["month"], f"{invoice.month} ({invoice.period.time_zone})"), _LINE)
        if invoice.corrects_number:
            self._across(_said(words["corrects"], invoice.corrects_number), _LINE)
        self.ln(6)

    def draw_parties(self) -> None:
        """Who and to whom, beside each other."""
        top = self.get_y()
        bottom = top
        width = (self.epw - 8) / 2
        for place, side in enumerate(("seller", "buyer")):
            party: Party = getattr(self._invoice, side)
            self.set_y(top)
            x = place * (width + 8)
            self.set_text_color(_GREY)
            self._text(x, width, self._words[side], wraps=True)
            self.set_text_color(0)
            self.set_font(_FONT, "B", 10)
            self._text(x, width, party.legal_name, wraps=True)
            self.set_font(_FONT, size=9)
            for line in (*party.address_lines, party.country_code):
                self._text(x, width, line, wraps=True)
            if party.tax_id:
                self._text(x, width, _said(self._words["tax_id"], party.tax_id), wraps=True)
            bottom = max(bottom, self.get_y())
        self.set_y(bottom + 6)

    def draw_lines(self) -> None:
        """A row for each line."""
        words, currency = self._words, self._invoice.currency_code
        self.set_font(_FONT, "B", 9)
        heads = ("what", "count", "units", "unit_price", "amount")
        names = [words[head] for head in heads]
        self._row([*names[:4], f"{names[4]} {currency}"])
        self._rule()
        self.set_font(_FONT, size=9)
        for line in self._invoice.lines:
            self._row(self._cells(line))
        self._rule()

    def draw_sums(self) -> None:
        """Net, taxes, total, and what is left to pay."""
        invoice, words = self._invoice, self._words
        self._row([words["net"], "", "", "", grouped(invoice.net)])
        for tax, amount in invoice.taxes:
            percent = decimal(tax.rate_ppm * 100).removesuffix(".00")
            self._row([f"{tax.name} {percent} %", "", "", "", grouped(amount)])
        self.set_font(_FONT, "B", 11)
        total = f"{grouped(invoice.total)} {invoice.currency_code}"
        self._text(0, 90, words["total"])
        self._text(90, self.epw - 90, total, align="R")
        self.ln(_LINE + 5)
        self.set_font(_FONT, size=9)
        if invoice.tax_note:
            self._text(0, self.epw, invoice.tax_note, wraps=True)
        if invoice.owed > 0:
            owed = f"{grouped(invoice.owed)} {invoice.currency_code}"
            self._text(0, self.epw, _said(words["owed"], owed), wraps=True)
        else:
            self._text(0, self.epw, words["settled"], wraps=True)

    def _cells(self, line: InvoiceLine) -> list[str]:
        unit_price = "" if line.unit_price is None else grouped(line.unit_price)
        return [
            description(line, self._words),
            f"{line.message_count:,}",
            f"{line.units:,}",
            unit_price,
            grouped(line.amount),
        ]

    def _row(self, cells: list[str]) -> None:
        if self.will_page_break(_LINE + 2):
            self.add_page()
        x = 0.0
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True)):
            self._text(x, width, cell, align="R" if place else "L")
            x += width
        self.ln(_LINE + 1)

    def _rule(self) -> None:
        self.set_draw_color(_GREY)
        self.line(_MARGIN, self.get_y(), self.w - _MARGIN, self.get_y())
        self.ln(1)

    def _across(self, text: str, height: float) -> None:
        self._text(0, self.epw, text, height=height)
        self.ln(height)

    def _text(
        self,
        x: float,
        width: float,
        text: str,
        *,
        align: _Align = "L",
        height: float = _LINE,
        wraps: bool = False,
    ) -> None:
        """Text in a box that begins `x` from the side where lines begin; mirrored if need be."""
        if self._is_mirrored:
            x = self.epw - x - width
            align = "L" if align == "R" else "R"
        self.set_x(_MARGIN + x)
        # Said for each text: after one in the other font, fpdf2 takes ours to be set still.
        self.current_font_is_set_on_page = False
        if wraps:
            self.multi_cell(width, height, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        else:
            self.cell(width, height, text, align=align)


def _said_in(invoice: Invoice) -> Iterator[str]:
    """What others wrote in a document, in whatever letters."""
    for party in (invoice.seller, invoice.buyer):
        yield from (party.legal_name, *party.address_lines, party.tax_id)
    yield from (tax.name for tax, _ in invoice.taxes)
    yield invoice.tax_note


def _said(name: str, value: str) -> str:
    return f"{name}: {_LEFT_TO_RIGHT}{value}{_LEFT_TO_RIGHT}"
