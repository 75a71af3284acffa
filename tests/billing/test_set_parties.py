"""SetIssuer, SetTaxes and SetBillingProfile: bad input is refused, and nothing is kept of it."""

from typing import Any

import pytest

from hudhud.billing.v1 import invoice_pb2
from hudhud.billing.v1 import statement_service_pb2 as pb
from services.kit.clock import new_id
from tests.billing.invoicing import BUYER, SELLER
from tests.billing.parties import Business
from tests.billing.periods import refusal_of


@pytest.mark.parametrize(
    "change",
    [
        {"legal_name": ""},
        {"legal_name": "  "},
        {"legal_name": "x" * 201},
        {"legal_name": "two\nlines"},
        {"address_lines": []},
        {"address_lines": ["a"] * 7},
        {"address_lines": [" "]},
        {"address_lines": ["x" * 101]},
        {"country_code": "Syria"},
        {"country_code": ""},
        {"tax_id": "x" * 41},
        {"tax_id": "\x07"},
    ],
)
async def test_a_party_that_makes_no_sense_is_refused(
    business: Business, change: dict[str, Any]
) -> None:
    party = {
        "legal_name": BUYER.legal_name,
        "address_lines": list(BUYER.address_lines),
        "country_code": BUYER.country_code,
        **change,
    }
    request = pb.SetBillingProfileRequest(
        business_id=business.business_id, party=invoice_pb2.Party(**party)
    )
    refusal = await refusal_of(business.operator.SetBillingProfile(request))
    assert refusal.reason.name == "INVALID_FIELD"
    refusal = await refusal_of(
        business.operator.GetBillingProfile(
            pb.GetBillingProfileRequest(business_id=business.business_id)
        )
    )
    assert refusal.reason.name == "BILLING_PROFILE_MISSING"


async def test_the_newest_profile_counts(business: Business) -> None:
    whose = {"business_id": business.business_id}
    for party in (SELLER, BUYER):
        await business.operator.SetBillingProfile(pb.SetBillingProfileRequest(**whose, party=party))
    profile = await business.operator.GetBillingProfile(pb.GetBillingProfileRequest(**whose))
    assert profile.party == BUYER
    stranger = pb.SetBillingProfileRequest(business_id=str(new_id()), party=BUYER)
    refusal = await refusal_of(business.operator.SetBillingProfile(stranger))
    assert refusal.reason.name == "ACCOUNT_NOT_FOUND"


async def test_an_issuer_that_makes_no_sense_is_refused(business: Business) -> None:
    for change in (
        {"issuer_code": "hudhud"},
        {"issuer_code": "H-1"},
        {"issuer_code": ""},
        {"time_zone": "Damascus"},
        {"party": None},
    ):
        issuer: dict[str, Any] = {"issuer_code": "BADONE", "party": SELLER, **change}
        request = pb.SetIssuerRequest(issuer=invoice_pb2.Issuer(**issuer))
        refusal = await refusal_of(business.operator.SetIssuer(request))
        assert refusal.reason.name == "INVALID_FIELD"


async def test_taxes_that_make_no_sense_are_refused(business: Business) -> None:
    code = "TAXED"
    await business.operator.SetIssuer(
        pb.SetIssuerRequest(issuer={"issuer_code": code, "party": SELLER})
    )
    bad: list[tuple[dict[str, Any], str]] = [
        ({"issuer_code": "NOSUCH"}, "ISSUER_NOT_FOUND"),
        ({"first_day": "2026-02-30"}, "PERIOD_INVALID"),
        ({"first_day": "tomorrow"}, "INVALID_FIELD"),
        ({"country_code": "everywhere"}, "INVALID_FIELD"),
        ({"taxes": [{"name": "VAT", "rate_ppm": -1}]}, "INVALID_FIELD"),
        ({"taxes": [{"name": "VAT", "rate_ppm": 1_000_001}]}, "INVALID_FIELD"),
        ({"taxes": [{"name": "", "rate_ppm": 1}]}, "INVALID_FIELD"),
        ({"taxes": [{"name": "\x07", "rate_ppm": 1}]}, "INVALID_FIELD"),
        ({"taxes": [{"name": "VAT", "rate_ppm": 1}] * 6}, "INVALID_FIELD"),
    ]
    for change, reason in bad:
        taxes: dict[str, Any] = {
            "issuer_code": code,
            "country_code": "SY",
            "first_day": "2026-01-01",
            **change,
        }
        refusal = await refusal_of(business.operator.SetTaxes(pb.SetTaxesRequest(**taxes)))
        assert refusal.reason.name == reason
