"""From estate and readings to the columns the pure core is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from demeter import estate, readings
from demeter.estate import MANUAL, Installation, Meter, ServicePoint, Site
from demeter.kernel import Span
from demeter.metering.assess import window_s
from demeter.metering.columns import ChannelColumns, InstalledMeter, is_consumption
from demeter.readings import Channel
from demeter.runtime.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class SiteMap:
    """What is installed where on a site: service points, meters, installations and consumption channels by id."""

    site: Site
    points: Mapping[int, ServicePoint]
    meters: Mapping[int, Meter]
    installations: Mapping[int, Sequence[Installation]]
    channels: Mapping[int, Sequence[Channel]]

    def points_of(self, meter_id: int) -> set[int]:
        """Return the service points a meter is or was installed at."""
        return {point for point, there in self.installations.items() if any(i.meter_id == meter_id for i in there)}

    def channels_at(self, point_ids: Iterable[int]) -> list[Channel]:
        """Return the consumption channels of all meters that are or were installed at these service points."""
        meter_ids = {i.meter_id for point in point_ids for i in self.installations.get(point, ())}
        return [channel for meter_id in sorted(meter_ids) for channel in self.channels.get(meter_id, ())]


def site_map(work: UnitOfWork, site_id: int) -> SiteMap:
    """Return a site's map.

    Raises:
        NotFound: no such site in the scope.
    """
    meters = {meter.id: meter for meter in estate.meters(work, site_id)}
    installed: dict[int, list[Installation]] = {}
    for installation in estate.installations(work, site_id):
        installed.setdefault(installation.service_point_id, []).append(installation)
    channels: dict[int, list[Channel]] = {}
    for channel in readings.channels(work, site_id):
        meter = meters.get(channel.meter_id)
        if meter is not None and is_consumption(meter.commodity, channel.reading_type):
            channels.setdefault(channel.meter_id, []).append(channel)
    points = {point.id: point for point in estate.service_points(work, site_id)}
    return SiteMap(estate.site(work, site_id), points, meters, installed, channels)


Columns = Callable[[Channel], ChannelColumns | None]


def month_columns(work: UnitOfWork, where: SiteMap, point_ids: Iterable[int], month: date) -> Columns:
    """Read everything a month of these service points depends on, in one go."""
    start_s, end_s = window_s(where.site.zone, month)
    return columns_between(work, where, point_ids, start_s, end_s)


def columns_between(work: UnitOfWork, where: SiteMap, point_ids: Iterable[int], start_s: int, end_s: int) -> Columns:
    """Read the consumption channels of these service points between two UTC epoch seconds."""
    span = Span(datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC))
    found = readings.read(work, where.channels_at(point_ids), span)

    def of(channel: Channel) -> ChannelColumns | None:
        there = found.get(channel.id)
        if there is None or not len(there.at_s):
            return None
        return ChannelColumns(channel.reading_type, there.at_s, there.values, there.quality)

    return of


def installed_meters(where: SiteMap, point_id: int, columns: Columns) -> list[InstalledMeter]:
    """Return the meters of a service point with their columns; channels without readings are left out."""
    result = []
    for installation in where.installations.get(point_id, ()):
        meter = where.meters[installation.meter_id]
        own = [columns(channel) for channel in where.channels.get(meter.id, ())]
        result.append(
            InstalledMeter(
                serial=meter.serial,
                start_s=int(installation.starts_at.timestamp()),
                end_s=None if installation.ends_at is None else int(installation.ends_at.timestamp()),
                channels=tuple(c for c in own if c is not None),
                opening=installation.opening_read,
                closing=installation.closing_read,
                multiplier_num=installation.multiplier_num,
                multiplier_den=installation.multiplier_den,
                dials=meter.dials,
                manual=meter.protocol == MANUAL,
                meter_id=meter.id,
            )
        )
    return result
