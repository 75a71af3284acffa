"""Draws the dashboards as they look in use: runs Hudhud here for some minutes and reads it.

make pictures    writes dashboards/*.png (needs Debian's prometheus)

Every line is what a real Prometheus answers to a query of the committed dashboards. Grafana itself
is in no package registry, so the panels are drawn here, in the places and units they have there.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import matplotlib as mpl
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from PIL import Image

from k8s.components.monitoring.traffic import SECONDS, play
from services.local.platform import LocalPlatform
from services.local.ports import any_free_port
from services.local.roster import ROSTER

DASHBOARDS: Final = Path(__file__).parent / "dashboards"
SCRAPE_SECONDS: Final = 1
STEP_SECONDS: Final = 2
RATE_INTERVAL: Final = "16s"  # Grafana takes four times the interval of scraping, or more
LEGEND_ROWS_MAX: Final = 5
NAME_LENGTH_MAX: Final = 26  # of which two stand beside one another
PIXELS_AN_INCH: Final = 100
COLOURS: Final = 64  # enough for lines and letters; keeps a picture under 150 kB
BACKGROUND: Final = "#eceef0"
# What Grafana calls a unit: how much one is, and how it is written.
UNITS: Final = {
    "bytes": [(2.0**30, " GiB"), (2.0**20, " MiB")],
    "percentunit": [(0.01, "%")],
    "reqps": [(1.0, "/s")],
    "s": [(86_400.0, " d"), (3600.0, " h"), (60.0, " min"), (1.0, " s"), (0.001, " ms")],
    "short": [(1000.0, "k"), (1.0, "")],
}

# A line: what it is called, its times in seconds since the beginning, its values.
Line = tuple[str, list[float], list[float]]


class Prometheus:
    """A Prometheus that reads this machine's services."""

    def __init__(self, address: str) -> None:
        self._address = address

    def lines(self, target: dict[str, str], start: float, end: float) -> list[Line]:
        """What a panel's target shows between two moments (seconds since 1970)."""
        query = {
            "query": target["expr"].replace("$__rate_interval", RATE_INTERVAL),
            "start": start,
            "end": end,
            "step": STEP_SECONDS,
        }
        url = f"http://{self._address}/api/v1/query_range?{urlencode(query)}"
        with urlopen(url) as response:
            found = json.load(response)["data"]["result"]
        lines = []
        for series in found:
            name = target["legendFormat"]
            for label, value in series["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            name = re.sub(r" ?\{\{\w+\}\}", "", name)  # a label that is empty is not told
            times = [float(moment) - start for moment, _ in series["values"]]
            lines.append((name, times, [float(value) for _, value in series["values"]]))
        return lines


@contextmanager
def prometheus(services: dict[str, int], folder: Path) -> Iterator[Prometheus]:
    """Reads each service at its port, under the labels that a cluster gives it."""
    configuration = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {
                "job_name": "services",
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{port}"],
                        "labels": {"service": name, "pod": f"{name}-0", "part_of": "hudhud"},
                    }
                    for name, port in services.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{any_free_port()}"
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(address)
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def observed(folder: Path) -> AsyncIterator[tuple[LocalPlatform, Prometheus]]:
    """A platform of its own, and a Prometheus that reads it."""
    ports = {service.name: any_free_port() for service in ROSTER}
    told = {name: {"HUDHUD_METRICS_LISTEN": f"127.0.0.1:{port}"} for name, port in ports.items()}
    with prometheus(ports, folder) as reader:
        async with LocalPlatform(folder / "state", overrides=told) as platform:
            yield platform, reader


def draw(dashboard: dict[str, Any], reader: Prometheus, start: float, end: float) -> Figure:
    """The panels of a dashboard, where they stand in it."""
    panels = dashboard["panels"]
    places = [panel["gridPos"] for panel in panels]
    rows = max(place["y"] // place["h"] for place in places) + 1
    columns = max(place["x"] // place["w"] for place in places) + 1
    figure = Figure(figsize=(5 * columns, 3 * rows + 0.4), facecolor=BACKGROUND)
    halves: Any = figure.subfigures(2, 1, height_ratios=(0.4, 3 * rows))
    title, below = halves
    title.set_facecolor(BACKGROUND)
    title.text(0.008, 0.3, dashboard["title"], fontsize=14, fontweight="bold")
    below.set_facecolor(BACKGROUND)
    cards = below.subfigures(rows, columns, squeeze=False, wspace=0.015, hspace=0.02)
    for panel, place in zip(panels, places, strict=True):
        lines = [
            line for target in panel["targets"] for line in sorted(reader.lines(target, start, end))
        ]
        card = cards[place["y"] // place["h"], place["x"] // place["w"]]
        card.set_facecolor("white")
        _draw_panel(card.add_axes((0.12, 0.36, 0.85, 0.51)), panel, lines, end - start)
    return figure


def _draw_panel(axes: Axes, panel: dict[str, Any], lines: list[Line], seconds: float) -> None:
    # What Prometheus cannot tell, such as a quantile of nothing, it calls NaN: a gap.
    heights = [max(filter(math.isfinite, values), default=0.0) for _, _, values in lines]
    one, unit = _unit(panel["fieldConfig"]["defaults"]["unit"], max(heights, default=0.0))
    columns = 1 if any(len(name) > NAME_LENGTH_MAX for name, _, _ in lines) else 2
    highest = sorted(range(len(lines)), key=heights.__getitem__)[-LEGEND_ROWS_MAX * columns :]
    colours = (f"C{number}" for number in count())
    for number, (name, times, values) in enumerate(lines):
        label, colour = (name, next(colours)) if number in highest else (None, "#bbbbbb")
        scaled = [value / one for value in values]
        axes.plot(times, scaled, color=colour, linewidth=1.2, label=label)
    axes.set_title(panel["title"], loc="left", fontsize=9.5, fontweight="bold")
    axes.set_xlim(0, seconds)
    axes.set_ylim(0, (max(heights, default=0.0) or one) / one * 1.08)
    axes.xaxis.set_major_locator(MultipleLocator(60))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x // 60:.0f}:{x % 60:02.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{unit}"))
    axes.tick_params(labelsize=7.5, length=0, colors="#555555")
    axes.grid(color="#e4e7e7", linewidth=0.6)
    axes.spines[:].set_visible(False)
    if not lines:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", color="#8e8e8e")
        return
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.03, -0.1),
        ncols=columns,
        fontsize=7,
        frameon=False,
        handlelength=1,
        labelspacing=0.3,
    )


def _unit(name: str, highest: float) -> tuple[float, str]:
    """How much one is on an axis that goes up to `highest`, in a unit of Grafana's; its sign."""
    return next((each for each in UNITS[name] if highest >= each[0]), UNITS[name][-1])


async def _run(folder: Path) -> None:
    async with observed(folder) as (platform, reader):
        start = time.time()
        print(f"Hudhud is in use for {SECONDS // 60} minutes.")
        await play(platform, SECONDS)
        end = time.time()
        for path in sorted(DASHBOARDS.glob("*.json")):
            figure = await asyncio.to_thread(draw, json.loads(path.read_text()), reader, start, end)
            picture = path.with_suffix(".png")
            figure.savefig(picture, dpi=PIXELS_AN_INCH)
            Image.open(picture).convert("RGB").quantize(COLOURS).save(picture, optimize=True)
            print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


def main() -> int:
    """Run, draw, and remove what was run."""
    if shutil.which("prometheus") is None:
        sys.stderr.write("There is no prometheus here. On Debian: apt-get install prometheus\n")
        return 1
    mpl.rcParams["font.family"] = "DejaVu Sans"  # comes with matplotlib: the same everywhere
    with tempfile.TemporaryDirectory(prefix="hudhud-pictures-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's account has to enter it, if this runs as root
        asyncio.run(_run(Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
