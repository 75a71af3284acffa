"""Downloads a file over HTTP: resumes what was cut short, and says why what cannot be reached."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ml.errors import Unreachable

BYTES_MAX = 256 * 1024 * 1024
_ATTEMPTS = 3
_CHUNK = 64 * 1024
_TIMEOUT_SECONDS = 30.0

_BROKEN = (ConnectionError, TimeoutError)

Progress = Callable[[int, int | None], None]  # bytes there, bytes in all


class _CutShort(Exception):
    """The connection ended before the file did."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Where a server sends us on from TLS to none, we do not follow."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise Unreachable(f"{req.full_url} leads to {newurl}, which is not encrypted.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_NoDowngrade)


def download(url: str, target: Path, progress: Progress) -> None:
    """Brings a file to `target`. Raises Unreachable, and OSError of the disk.

    What has come so far stays beside it as `.part` when this fails, with what names its version as
    `.version`; the next call goes on from there if the server still has that version.
    """
    part = target.with_name(target.name + ".part")
    for attempt in range(_ATTEMPTS):
        try:
            _attempt(url, part, progress)
            break
        except _CutShort as error:
            if attempt + 1 == _ATTEMPTS:
                raise Unreachable(f"{url}: {error}; the next call goes on from there.") from None
    _version(part).unlink(missing_ok=True)
    part.replace(target)


def _version(part: Path) -> Path:
    return part.with_suffix(".version")


def _attempt(url: str, part: Path, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "hudhud-ml"})  # noqa: S310
    there = part.stat().st_size if part.exists() and _version(part).exists() else 0
    if there:
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", _version(part).read_text())
    try:
        with _opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            _receive(answer, part, there, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
                raise _CutShort("what had come does not fit the file any more") from None
            raise Unreachable(f"{url} answered {error.code} {error.reason}.") from None
    except (urllib.error.URLError, http.client.HTTPException, *_BROKEN) as error:
        reason = getattr(error, "reason", None) or error
        host = urlsplit(url).netloc
        raise Unreachable(
            f"{host} cannot be reached: {reason}. Where it can, download {url}, unpack it "
            "and give it to hudhud-ml data add."
        ) from error


def _receive(answer: Any, part: Path, there: int, progress: Progress) -> None:
    resumed = answer.status == http.client.PARTIAL_CONTENT and (
        str(answer.headers.get("Content-Range", "")).startswith(f"bytes {there}-")
    )
    start = there if resumed else 0
    length = answer.headers.get("Content-Length")
    whole = start + int(length) if length and length.isdigit() else None
    if (whole or 0) > BYTES_MAX:
        raise Unreachable(f"{answer.url} is larger than {BYTES_MAX >> 20} MB.")
    version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    if version and not version.startswith("W/"):
        _version(part).write_text(version)
    else:
        _version(part).unlink(missing_ok=True)
    with part.open("ab" if resumed else "wb") as sink:
        done = start
        while chunk := _next(answer, done, whole):
            sink.write(chunk)
            done += len(chunk)
            progress(done, whole)
            if done > BYTES_MAX:
                raise Unreachable(f"{answer.url} is larger than {BYTES_MAX >> 20} MB.")
    if whole is not None and done < whole:
        raise _CutShort(f"{done:,} of {whole:,} bytes came")


def _next(answer: Any, done: int, whole: int | None) -> bytes:
    try:
        return bytes(answer.read(_CHUNK))
    except (http.client.IncompleteRead, *_BROKEN) as error:
        raise _CutShort(f"{done:,} of {whole or 0:,} bytes came, then: {error}") from None
