"""From which probability on a message is stopped, for each kind of sending; data of a release."""

from dataclasses import asdict, dataclass
from typing import Any

from ml.judgement import UNKNOWN_LANGUAGE, Judgement


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Probabilities at and above which policy says no. An abstention is below all of them."""

    direct: float  # promotional or scam, in a free text that a business starts
    direct_unknown_language: float  # the same where the language is not one the model was taught
    marketing_scam: float  # scam, where the person wants the advertisement
    reply_scam: float  # scam, in an answer inside the service window
    reply_promotional: float  # promotional, in such an answer: only the blatant
    template: float  # promotional or scam, in a template submitted as something else
    template_review: float  # the same, from which on a person should look at it

    def blocks_direct(self, judgement: Judgement) -> bool:
        """A business starts a free text, declared as anything but marketing, or without consent."""
        unknown = judgement.language == UNKNOWN_LANGUAGE
        return judgement.unwanted >= (self.direct_unknown_language if unknown else self.direct)

    def decision(self, judgement: Judgement) -> str:
        """What policy would do with it as a direct utility message to somebody who gave no consent:
        `block` or `allow`.
        """
        return "block" if self.blocks_direct(judgement) else "allow"

    def blocks_marketing(self, judgement: Judgement) -> bool:
        """An advertisement to somebody who consented to it."""
        return judgement.scam >= self.marketing_scam

    def blocks_reply(self, judgement: Judgement) -> bool:
        """An answer to somebody who wrote within the last 24 hours."""
        return judgement.scam >= self.reply_scam or judgement.promotional >= self.reply_promotional

    def blocks_template(self, judgement: Judgement) -> bool:
        """A template, or a parameter of one, submitted as utility or authentication."""
        return judgement.unwanted >= self.template

    def reviews_template(self, judgement: Judgement) -> bool:
        """A template that is not refused but that a person should look at."""
        return not self.blocks_template(judgement) and judgement.unwanted >= self.template_review

    def as_data(self) -> dict[str, float]:
        """For the manifest."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "Thresholds":
        """From the manifest. Raises TypeError or ValueError."""
        return cls(**{name: float(value) for name, value in data.items()})
