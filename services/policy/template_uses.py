"""Owns the check that a message fills in a template as it was reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from services.kit.errors import Refusal
from services.policy.domain.messages import Draft
from services.policy.domain.wordings import State, Template
from services.policy.errors import PolicyReasons, template_rejected, unknown_template


def check_use(draft: Draft, templates: Mapping[UUID, Template]) -> None:
    """Raise the refusal that says what is wrong with the draft's use of its template, if anything.

    Another business's template is as unknown as one that nobody has.
    """
    use = draft.template
    if use is None:
        return
    template = templates.get(use.template_id)
    if (
        template is None
        or template.business_id != draft.key.business_id
        or template.name != use.name
        or template.language_code != use.language_code
    ):
        raise unknown_template(use.name, use.language_code)
    if template.state is not State.APPROVED:
        raise template_rejected(template)
    named = set(template.wording.parameters)
    if lacking := sorted(named - use.parameters.keys()):
        raise Refusal(
            PolicyReasons.PARAMETER_MISSING,
            f"The template {use.name} needs the parameters {', '.join(lacking)}.",
            metadata={"template": use.name, "parameters": ", ".join(lacking)},
        )
    if unknown := sorted(use.parameters.keys() - named):
        raise Refusal(
            PolicyReasons.PARAMETER_UNKNOWN,
            f"The template {use.name} has no parameters {', '.join(unknown)}.",
            metadata={"template": use.name, "parameters": ", ".join(unknown)},
        )
    if use.rendered != template.wording.render(use.parameters):
        raise Refusal(
            PolicyReasons.CONTENT_MALFORMED,
            "content.template.rendered: is not the wording with these parameters",
        )
    if not use.rendered.strip():
        raise Refusal(PolicyReasons.TEXT_EMPTY)
    if use.buttons != template.buttons:
        raise Refusal(
            PolicyReasons.CONTENT_MALFORMED,
            "content.template.buttons: are not those of the wording",
        )
