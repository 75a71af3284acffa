"""Elements of HTML and SVG, escaped by whom they are written out (`xml.etree`), never by hand."""

import re
from xml.etree.ElementTree import Element, SubElement, tostring

Child = Element | str | None

# What no page may hold; shown as a sign that something was there.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def element(tag: str, /, *children: Child, **attributes: str | float) -> Element:
    """An element. In the name of an attribute `_` stands for `-`, and goes at the end: `class_`."""
    made = Element(tag)
    for key, value in attributes.items():
        made.set(key.rstrip("_").replace("_", "-"), _clean(_written(value)))
    for child in children:
        if isinstance(child, str):
            _add_text(made, _clean(child))
        elif child is not None:
            made.append(child)
    return made


def document(title: str, style: str, *body: Child) -> str:
    """A whole page. It may load nothing, and says so to the browser."""
    html = element("html", lang="en")
    head = SubElement(html, "head")
    head.append(element("meta", charset="utf-8"))
    head.append(element("meta", name="viewport", content="width=device-width, initial-scale=1"))
    head.append(
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; style-src 'unsafe-inline'",
        )
    )
    head.append(element("meta", name="color-scheme", content="light dark"))
    head.append(element("title", title))
    head.append(element("style", style))
    html.append(element("body", *body))
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _clean(text: str) -> str:
    return _CONTROLS.sub("\ufffd", text)
