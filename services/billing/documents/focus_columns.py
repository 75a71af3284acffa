"""Owns the columns of FOCUS 1.2 and the values that they may have, as its specification says.

Source: focus.finops.org, version 1.2, "Columns". Currencies are those of ISO 4217.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["text", "number", "time", "currency", "object"]


class Column(NamedTuple):
    """A column: what its values are, and whether it must be there and may be null."""

    kind: Kind = "text"
    is_mandatory: bool = False
    is_nullable: bool = True
    allowed: tuple[str, ...] = ()


SUBCATEGORIES: Final = {
    "AI and Machine Learning": "AI Platforms|Bots|Generative AI|Machine Learning"
    "|Natural Language Processing|Other (AI and Machine Learning)",
    "Analytics": "Analytics Platforms|Business Intelligence|Data Processing|Search"
    "|Streaming Analytics|Other (Analytics)",
    "Business Applications": "Productivity and Collaboration|Other (Business Applications)",
    "Compute": "Containers|End User Computing|Quantum Compute|Serverless Compute|Virtual Machines"
    "|Other (Compute)",
    "Databases": "Caching|Data Warehouses|Ledger Databases|NoSQL Databases|Relational Databases"
    "|Time Series Databases|Other (Databases)",
    "Developer Tools": "Developer Platforms|Continuous Integration and Deployment"
    "|Development Environments|Source Code Management|Quality Assurance|Other (Developer Tools)",
    "Identity": "Identity and Access Management|Other (Identity)",
    "Integration": "API Management|Messaging|Workflow Orchestration|Other (Integration)",
    "Internet of Things": "IoT Analytics|IoT Platforms|Other (Internet of Things)",
    "Management and Governance": "Architecture|Compliance|Cost Management|Data Governance"
    "|Disaster Recovery|Endpoint Management|Observability|Support"
    "|Other (Management and Governance)",
    "Media": "Content Creation|Gaming|Media Streaming|Mixed Reality|Other (Media)",
    "Migration": "Data Migration|Resource Migration|Other (Migration)",
    "Mobile": "Other (Mobile)",
    "Multicloud": "Multicloud Integration|Other (Multicloud)",
    "Networking": "Application Networking|Content Delivery|Network Connectivity"
    "|Network Infrastructure|Network Routing|Network Security|Other (Networking)",
    "Security": "Secret Management|Security Posture Management|Threat Detection and Response"
    "|Other (Security)",
    "Storage": "Backup Storage|Block Storage|File Storage|Object Storage|Storage Platforms"
    "|Other (Storage)",
    "Web": "Application Platforms|Other (Web)",
    "Other": "Other (Other)",
}
PARENTS: Final = {
    child: parent for parent, children in SUBCATEGORIES.items() for child in children.split("|")
}

_CODES: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP
    BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB
    EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD
    JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR
    RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND
    TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF
    YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_CODES.split())

_MUST: Final = Column(is_mandatory=True, is_nullable=False)
_COST: Final = Column("number", is_mandatory=True, is_nullable=False)
_TIME: Final = Column("time", is_mandatory=True, is_nullable=False)
_TEXT: Final = Column()
_NUMBER: Final = Column("number")

COLUMNS: Final = {
    "AvailabilityZone": _TEXT,
    "BilledCost": _COST,
    "BillingAccountId": _MUST,
    "BillingAccountName": Column(is_mandatory=True),
    "BillingAccountType": _TEXT,
    "BillingCurrency": Column("currency", is_mandatory=True, is_nullable=False),
    "BillingPeriodEnd": _TIME,
    "BillingPeriodStart": _TIME,
    "CapacityReservationId": _TEXT,
    "CapacityReservationStatus": Column(allowed=("Unused", "Used")),
    "ChargeCategory": _MUST._replace(allowed=("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    "ChargeClass": Column(is_mandatory=True, allowed=("Correction",)),
    "ChargeDescription": Column(is_mandatory=True),
    "ChargeFrequency": Column(is_nullable=False, allowed=("One-Time", "Recurring", "Usage-Based")),
    "ChargePeriodEnd": _TIME,
    "ChargePeriodStart": _TIME,
    "CommitmentDiscountCategory": Column(allowed=("Spend", "Usage")),
    "CommitmentDiscountId": _TEXT,
    "CommitmentDiscountName": _TEXT,
    "CommitmentDiscountQuantity": _NUMBER,
    "CommitmentDiscountStatus": Column(allowed=("Used", "Unused")),
    "CommitmentDiscountType": _TEXT,
    "CommitmentDiscountUnit": _TEXT,
    "ConsumedQuantity": _NUMBER,
    "ConsumedUnit": _TEXT,
    "ContractedCost": _COST,
    "ContractedUnitPrice": _NUMBER,
    "EffectiveCost": _COST,
    "InvoiceId": _TEXT,
    "InvoiceIssuerName": _MUST,
    "ListCost": _COST,
    "ListUnitPrice": _NUMBER,
    "PricingCategory": Column(allowed=("Standard", "Dynamic", "Committed", "Other")),
    "PricingCurrency": _TEXT,
    "PricingCurrencyContractedUnitPrice": _NUMBER,
    "PricingCurrencyEffectiveCost": _NUMBER,
    "PricingCurrencyListUnitPrice": _NUMBER,
    "PricingQuantity": Column("number", is_mandatory=True),
    "PricingUnit": Column(is_mandatory=True),
    "ProviderName": _MUST,
    "PublisherName": _MUST,
    "RegionId": _TEXT,
    "RegionName": _TEXT,
    "ResourceId": _TEXT,
    "ResourceName": _TEXT,
    "ResourceType": _TEXT,
    "ServiceCategory": _MUST._replace(allowed=tuple(SUBCATEGORIES)),
    "ServiceName": _MUST,
    "ServiceSubcategory": Column(is_nullable=False, allowed=tuple(PARENTS)),
    "SkuId": _TEXT,
    "SkuMeter": _TEXT,
    "SkuPriceDetails": Column("object"),
    "SkuPriceId": _TEXT,
    "SubAccountId": _TEXT,
    "SubAccountName": _TEXT,
    "SubAccountType": _TEXT,
    "Tags": Column("object"),
}

# One is null where and only where the other is: the dependent and what it depends on.
TOGETHER: Final = (
    ("PricingUnit", "PricingQuantity"),
    ("ConsumedUnit", "ConsumedQuantity"),
    ("BillingAccountType", "BillingAccountId"),
    ("RegionName", "RegionId"),
    ("SubAccountName", "SubAccountId"),
    ("CommitmentDiscountCategory", "CommitmentDiscountId"),
    ("CommitmentDiscountType", "CommitmentDiscountId"),
    ("CommitmentDiscountUnit", "CommitmentDiscountQuantity"),
)
# One is null where the other is.
ONLY_WITH: Final = (
    ("SkuMeter", "SkuId"),
    ("SkuPriceDetails", "SkuPriceId"),
    ("ResourceName", "ResourceId"),
    ("CommitmentDiscountName", "CommitmentDiscountId"),
    ("CommitmentDiscountStatus", "CommitmentDiscountId"),
    ("CapacityReservationStatus", "CapacityReservationId"),
)
# Null for tax, and not null for usage and purchases that are no correction.
PRICED: Final = (
    "ListUnitPrice",
    "ContractedUnitPrice",
    "PricingQuantity",
    "PricingCategory",
    "SkuId",
    "SkuPriceId",
)
# A price times the priced quantity is the cost, except in corrections.
PRODUCTS: Final = (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost"))
NOT_NEGATIVE: Final = ("ListUnitPrice", "ContractedUnitPrice")
# Of each of the first there is one of the second.
ONE_PARENT: Final = (("SkuPriceId", "SkuId"), ("ServiceName", "ServiceCategory"))
