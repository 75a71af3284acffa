"""The reasons for which a device itself refuses what its person wants."""

from __future__ import annotations

import grpc

from services.kit.errors import Reason, Reasons


class DeviceReasons(Reasons, domain="device.hudhud"):
    """What a person can put right, or has to wait for."""

    BUSINESS_UNREACHABLE = Reason(
        grpc.StatusCode.FAILED_PRECONDITION,
        "The business has no edge that could read a message yet.",
        "Wait until its programs have connected for the first time.",
    )
