"""Classes of payment metering: account, credit, charge, token gateway (Blue Book 4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from demeter.protocols.dlms.classes.objects import Access, Attribute, CosemObject, Method
from demeter.protocols.dlms.classes.shapes import (
    DATE_TIME,
    INT8,
    INT16,
    INT32,
    NAME,
    OCTETS,
    UINT8,
    UINT16,
    UINT32,
    UTF8,
    ZERO,
    array,
    enumeration,
    flags,
    record,
)
from demeter.protocols.dlms.classes.structures import VALUE_REF, ValueRef
from demeter.protocols.dlms.data import BitString
from demeter.protocols.dlms.obis import Obis

READ = Access.READ


class PaymentMode(IntEnum):
    """Paid later or beforehand."""

    CREDIT = 1
    PREPAYMENT = 2


class AccountStatus(IntEnum):
    """The life of an account."""

    NEW = 1
    ACTIVE = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class AccountMode:
    """Mode and status of an account."""

    payment_mode: PaymentMode | int
    account_status: AccountStatus | int


@dataclass(frozen=True, slots=True)
class CreditCharge:
    """Which charge is collected from which credit, and when it is not."""

    credit: Obis
    charge: Obis
    collection: BitString


@dataclass(frozen=True, slots=True)
class TokenShare:
    """How much of a token, in percent, goes to a credit."""

    credit: Obis
    proportion: int


class CurrencyUnit(IntEnum):
    """What amounts count in."""

    TIME = 0
    CONSUMPTION = 1
    MONETARY = 2


@dataclass(frozen=True, slots=True)
class Currency:
    """The currency of amounts: ``number × 10**scale`` of ``name``."""

    name: str
    scale: int
    unit: CurrencyUnit | int


_CREDIT_STATUS = flags(
    "in credit",
    "low credit",
    "next credit enabled",
    "next credit selectable",
    "next credit selected",
    "selectable credit in use",
    "out of credit",
)
_COLLECTION = flags(
    "collect when supply disconnected", "collect in load limiting periods", "collect in friendly credit periods"
)


class Account(CosemObject, class_id=111, title="Account"):
    """The sum of credits and charges of one contract. Amounts in the account's currency."""

    account_mode_and_status = Attribute(2, record(AccountMode, enumeration(PaymentMode), enumeration(AccountStatus)))
    current_credit_in_use = Attribute(3, UINT8, READ)
    current_credit_status = Attribute(4, _CREDIT_STATUS, READ)
    available_credit = Attribute(5, INT32, READ)
    amount_to_clear = Attribute(6, INT32, READ)
    clearance_threshold = Attribute(7, INT32)
    aggregated_debt = Attribute(8, INT32, READ)
    credit_reference_list = Attribute(9, array(NAME))
    charge_reference_list = Attribute(10, array(NAME))
    credit_charge_configuration = Attribute(11, array(record(CreditCharge, NAME, NAME, _COLLECTION)))
    token_gateway_configuration = Attribute(12, array(record(TokenShare, NAME, UINT8)))
    account_activation_time = Attribute(13, DATE_TIME)
    account_closure_time = Attribute(14, DATE_TIME)
    currency = Attribute(15, record(Currency, UTF8, INT8, enumeration(CurrencyUnit)))
    low_credit_threshold = Attribute(16, INT32)
    next_credit_available_threshold = Attribute(17, INT32)
    max_provision = Attribute(18, UINT16)
    max_provision_period = Attribute(19, INT32)
    activate_account = Method(1, ZERO)
    close_account = Method(2, ZERO)
    reset_account = Method(3, ZERO)


class CreditType(IntEnum):
    """Where a credit comes from."""

    TOKEN = 0
    RESERVED = 1
    EMERGENCY = 2
    TIME_BASED = 3
    CONSUMPTION_BASED = 4


class CreditStatus(IntEnum):
    """The state of a credit."""

    ENABLED = 0
    SELECTABLE = 1
    SELECTED_OR_INVOKED = 2
    IN_USE = 3
    EXHAUSTED = 4


class Credit(CosemObject, class_id=112, title="Credit"):
    """One credit of an account: from tokens, for emergencies and so on."""

    current_credit_amount = Attribute(2, INT32, READ)
    credit_type = Attribute(3, enumeration(CreditType))
    priority = Attribute(4, UINT8)
    warning_threshold = Attribute(5, INT32)
    limit = Attribute(6, INT32)
    credit_configuration = Attribute(
        7,
        flags(
            "requires visual indication",
            "requires confirmation",
            "requires the amount to be paid back",
            "resettable",
            "able to receive tokens",
        ),
    )
    credit_status = Attribute(8, enumeration(CreditStatus), READ)
    preset_credit_amount = Attribute(9, INT32)
    credit_available_threshold = Attribute(10, INT32)
    period = Attribute(11, DATE_TIME)
    update_amount = Method(1, INT32)
    set_amount_to_value = Method(2, INT32)
    invoke_credit = Method(3, ZERO)


class ChargeType(IntEnum):
    """What a charge is collected by."""

    CONSUMPTION_BASED = 0
    TIME_BASED = 1
    PAYMENT_EVENT_BASED = 2


@dataclass(frozen=True, slots=True)
class ChargeScale:
    """Powers of ten of commodity and price."""

    commodity_scale: int
    price_scale: int


@dataclass(frozen=True, slots=True)
class ChargeEntry:
    """The price while ``index`` (the active tariff mask) applies."""

    index: bytes
    charge_per_unit: int


@dataclass(frozen=True, slots=True)
class UnitCharge:
    """What is charged for, and the prices."""

    scale: ChargeScale
    commodity: ValueRef
    table: tuple[ChargeEntry, ...]


_ENTRIES = array(record(ChargeEntry, OCTETS, INT16))
_UNIT_CHARGE = record(UnitCharge, record(ChargeScale, INT8, INT8), VALUE_REF, _ENTRIES)


class Charge(CosemObject, class_id=113, title="Charge"):
    """One charge of an account: for energy, a standing charge, a debt. ``period`` in seconds."""

    total_amount_paid = Attribute(2, INT32, READ)
    charge_type = Attribute(3, enumeration(ChargeType))
    priority = Attribute(4, UINT8)
    unit_charge_active = Attribute(5, _UNIT_CHARGE, READ)
    unit_charge_passive = Attribute(6, _UNIT_CHARGE)
    unit_charge_activation_time = Attribute(7, DATE_TIME)
    period = Attribute(8, UINT32)
    charge_configuration = Attribute(9, flags("percentage based collection", "continuous collection"))
    last_collection_time = Attribute(10, DATE_TIME, READ)
    last_collection_amount = Attribute(11, INT32, READ)
    total_amount_remaining = Attribute(12, INT32, READ)
    proportion = Attribute(13, UINT16)
    update_unit_charge = Method(1, _ENTRIES)
    activate_passive_unit_charge = Method(2, ZERO)
    collect = Method(3, ZERO)
    update_total_amount_remaining = Method(4, INT32)
    set_total_amount_remaining = Method(5, INT32)


class TokenDelivery(IntEnum):
    """How a token came in."""

    REMOTE = 0
    LOCAL = 1
    MANUAL = 2


class TokenStatusCode(IntEnum):
    """How far a token has come."""

    FORMAT_OK = 0
    AUTHENTICATION_OK = 1
    VALIDATION_OK = 2
    EXECUTION_OK = 3
    FORMAT_FAILURE = 4
    AUTHENTICATION_FAILURE = 5
    VALIDATION_FAILURE = 6
    EXECUTION_FAILURE = 7
    RECEIVED_NOT_YET_PROCESSED = 8


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """The result of the last token."""

    code: TokenStatusCode | int
    data: BitString


class TokenGateway(CosemObject, class_id=115, title="Token gateway"):
    """Takes prepayment tokens."""

    token = Attribute(2, OCTETS, READ)
    token_time = Attribute(3, DATE_TIME, READ)
    token_description = Attribute(4, array(OCTETS), READ)
    token_delivery_method = Attribute(5, enumeration(TokenDelivery), READ)
    token_status = Attribute(6, record(TokenStatus, enumeration(TokenStatusCode), flags()), READ)
    enter = Method(1, OCTETS)
