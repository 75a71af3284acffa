"""What a release is made of, once it is loaded."""

from dataclasses import dataclass
from typing import Any

from ml.cascade import NEVER_TWICE, Cascade


@dataclass(frozen=True, slots=True)
class Models:
    """Fitted scikit-learn pipelines, and when which of them is asked."""

    labels: Any  # the first look: n-grams to classes
    languages: Any  # n-grams, in fewer buckets, to languages
    second: Any | None  # `second.columns` to classes; none where the first look is all there is
    cascade: Cascade = NEVER_TWICE

    def pipelines(self) -> dict[str, Any]:
        """What is pickled."""
        return {"labels": self.labels, "languages": self.languages, "second": self.second}
