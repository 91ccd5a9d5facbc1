"""Read models for screens, API and command line: frozen dataclasses, exact decimals."""

from demeter.metering.views.balance import BalanceView, ShareView, reconciliation
from demeter.metering.views.model import (
    DayView,
    Destination,
    FlagCode,
    FlagView,
    InstalledView,
    IntervalsView,
    MonthView,
    PointPage,
    QualityAmount,
    RegisterView,
    TotalView,
    UnitRow,
    UnitsPage,
    UnitsSummary,
)
from demeter.metering.views.point import days, intervals, months, point_page
from demeter.metering.views.units import units_page

__all__ = [
    "BalanceView",
    "DayView",
    "Destination",
    "FlagCode",
    "FlagView",
    "InstalledView",
    "IntervalsView",
    "MonthView",
    "PointPage",
    "QualityAmount",
    "RegisterView",
    "ShareView",
    "TotalView",
    "UnitRow",
    "UnitsPage",
    "UnitsSummary",
    "days",
    "intervals",
    "months",
    "point_page",
    "reconciliation",
    "units_page",
]
