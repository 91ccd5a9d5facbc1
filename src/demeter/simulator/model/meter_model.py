"""All objects of one meter behind the interface ``protocols.dlms.server`` asks."""

from __future__ import annotations

from collections.abc import Iterable

from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.classes import DisconnectControl, ProfileGeneric
from demeter.protocols.dlms.classes.commands.supply import RELAY
from demeter.protocols.dlms.classes.commands.tariff import BILLING_RESET, RESET_SCRIPT
from demeter.protocols.dlms.data import Data, octets, u32
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.server import PUBLIC_OBJECTS, PUBLIC_SAP, UTILITY_SAP, Association
from demeter.simulator.faults import FaultKind
from demeter.simulator.fleet import MeterKind
from demeter.simulator.meter import Meter
from demeter.simulator.model.access import (
    CURRENT,
    Partner,
    answered_by_server,
    association_name,
    association_object,
    partners,
)
from demeter.simulator.model.clock import clock_object
from demeter.simulator.model.electricity import Electricity
from demeter.simulator.model.events import event_objects
from demeter.simulator.model.identity import FIRMWARE, nameplate_objects
from demeter.simulator.model.objects import CosemObject, data_object
from demeter.simulator.model.scripts import running, script_table
from demeter.simulator.model.switching import CLOSE_SCRIPT, OPEN_SCRIPT, SWITCH_SCRIPTS, switching_objects
from demeter.simulator.model.water import water_objects

OPEN_OBJECTS = PUBLIC_OBJECTS | {Obis(0, 0, 42, 0, 0, 255), CURRENT, association_name(PUBLIC_SAP)}
"""What the public client may read: clock, serial, logical device name, invocation counters, its own association."""


class MeterModel:
    """The object model of one meter; the same for all its connections."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._partners = {partner.client_sap: partner for partner in partners(meter.config)}
        found = [*self._measuring(), *self._operating(), *answered_by_server(meter.config)]
        found += [self._association(association_name(sap), partner) for sap, partner in self._partners.items()]
        self._objects = {object_.obis: object_ for object_ in found}

    def get(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None
    ) -> bytes:
        """Return an attribute's value as A-XDR.

        Raises:
            Refused: no such object or attribute, another class, or the meter refuses everything at the moment.
        """
        self._begin()
        found = self._find(association, class_id, obis)
        if attribute == 1:
            return encode(octets(obis.to_bytes()))
        return found.get(attribute, selection)

    def set(self, association: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        """Write an attribute.

        Raises:
            Refused: it cannot be written, or not by this client.
        """
        self._begin()
        if association.client_sap != UTILITY_SAP:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        self._find(association, class_id, obis).set(attribute, decode_all(value))
        self._meter.advance()

    def action(
        self, association: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None
    ) -> bytes | None:
        """Invoke a method.

        Raises:
            Refused: there is no such method, or not for this client, or not now.
        """
        self._begin()
        if association.client_sap != UTILITY_SAP:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        return self._find(association, class_id, obis).invoke(method, parameter)

    def visible(self, sap: int) -> Iterable[CosemObject]:
        """Return the objects a client may see, in the order of their names."""
        every = sorted(self._objects.values(), key=lambda found: found.obis)
        return [found for found in every if sap != PUBLIC_SAP or found.obis in OPEN_OBJECTS]

    def _measuring(self) -> list[CosemObject]:
        """Return what the meter measures and who it is."""
        meter = self._meter
        found: list[CosemObject] = [clock_object(meter)]
        found += nameplate_objects(meter.config, meter.zone, lambda: FIRMWARE)
        if meter.config.kind is MeterKind.WATER:
            return [*found, *water_objects(meter), *event_objects(meter, ())]
        electricity = Electricity(meter)
        return [*found, *electricity.objects(), *event_objects(meter, electricity.snapshot())]

    def _operating(self) -> list[CosemObject]:
        """Return what the meter can be told to do."""
        switching = switching_objects(self._meter)
        found = [*switching, self._billing_scripts()]
        if switching:
            scripts = {
                OPEN_SCRIPT: [running(DisconnectControl, RELAY, DisconnectControl.remote_disconnect)],
                CLOSE_SCRIPT: [running(DisconnectControl, RELAY, DisconnectControl.remote_reconnect)],
            }
            found.append(script_table(SWITCH_SCRIPTS, scripts, self._run, self._write))
        return [*found, *(data_object(f"0.0.43.1.{instance}.255", u32(0)) for instance in (1, 4))]

    def _billing_scripts(self) -> CosemObject:
        media = 8 if self._meter.config.kind is MeterKind.WATER else 1
        actions = [running(ProfileGeneric, Obis(media, 0, 98, 1, 0, 255), ProfileGeneric.capture)]
        return script_table(BILLING_RESET, {RESET_SCRIPT: actions}, self._run, self._write)

    def _run(self, class_id: int, obis: Obis, method: int, parameter: bytes) -> None:
        self._own(class_id, obis).invoke(method, parameter)

    def _write(self, class_id: int, obis: Obis, attribute: int, value: Data) -> None:
        self._own(class_id, obis).set(attribute, value)

    def _own(self, class_id: int, obis: Obis) -> CosemObject:
        found = self._objects.get(obis)
        if found is None:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"there is no {obis}")
        if found.class_id != class_id:
            raise Refused(DataAccessResult.OBJECT_CLASS_INCONSISTENT, f"{obis} is of class {found.class_id}")
        return found

    def _find(self, association: Association, class_id: int, obis: Obis) -> CosemObject:
        if obis == CURRENT and class_id == self._objects[association_name(PUBLIC_SAP)].class_id:
            return self._association(CURRENT, self._partners[association.client_sap])
        return self._own(class_id, obis)

    def _association(self, obis: Obis, partner: Partner) -> CosemObject:
        sap = partner.client_sap
        return association_object(obis, partner, self._meter.config.server_sap, lambda: self.visible(sap))

    def _begin(self) -> None:
        """Catch up with what was due, and refuse if the meter refuses at the moment."""
        self._meter.advance()
        if self._meter.book.active(FaultKind.REFUSE, self._meter.true_now_s()):
            raise Refused(DataAccessResult.TEMPORARY_FAILURE, "the meter is busy")
