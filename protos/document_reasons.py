"""Writes the table of every error reason into protos/README.md, from the services' declarations.

`python protos/document_reasons.py` writes it; with `--check` it only says whether it is true, and
exits 1 if it is not.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.billing.errors import BillingReasons
from services.ends.device.errors import DeviceReasons
from services.ends.edge.errors import EdgeReasons
from services.identity.errors import IdentityReasons
from services.kit.errors import CommonReasons, Reasons
from services.messaging.errors import MessagingReasons
from services.policy.errors import PolicyReasons

README = Path(__file__).parent / "README.md"
BEGIN = "<!-- reasons: made by protos/document_reasons.py -->"
END = "<!-- end of reasons -->"
DOMAINS: tuple[type[Reasons], ...] = (
    CommonReasons,
    IdentityReasons,
    PolicyReasons,
    BillingReasons,
    MessagingReasons,
    EdgeReasons,
    DeviceReasons,
)


def table(reasons: type[Reasons]) -> str:
    """The reasons of one domain."""
    rows = [
        f"| `{reason.name}` | {reason.status.name} | {reason.description} | {reason.advice} |"
        for reason in reasons.all()
    ]
    title = f"### {reasons.domain}"
    return "\n".join(
        [title, "", "| reason | status | what was wrong | what to do |", "|---|---|---|---|", *rows]
    )


def documented(readme: str) -> str:
    """The README with the tables as they should be."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(table(reasons) for reasons in DOMAINS)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main() -> int:
    """Returns the exit code."""
    readme = README.read_text("utf-8")
    wanted = documented(readme)
    if "--check" not in sys.argv:
        README.write_text(wanted, "utf-8")
    elif readme != wanted:
        sys.stderr.write(
            "protos/README.md does not list the reasons as declared; run: "
            ".venv/bin/python protos/document_reasons.py\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
