"""All objects of one meter behind the interface ``protocols.dlms.server`` asks."""

from __future__ import annotations

from collections.abc import Iterable

from demeter.protocols.dlms.axdr import decode_all, encode
from demeter.protocols.dlms.data import octets, u32
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.server import PUBLIC_OBJECTS, PUBLIC_SAP, READER_SAP, UTILITY_SAP, Association
from demeter.simulator.faults import FaultKind
from demeter.simulator.fleet import MeterKind
from demeter.simulator.meter import Meter
from demeter.simulator.model.electricity import Electricity
from demeter.simulator.model.events import event_objects
from demeter.simulator.model.identity import association_object, clock_object, nameplate_objects, security_setup_object
from demeter.simulator.model.objects import CosemObject, data_object
from demeter.simulator.model.water import water_objects

_INSTANCES = {PUBLIC_SAP: 1, READER_SAP: 2, UTILITY_SAP: 3}
_CURRENT = Obis(0, 0, 40, 0, 0, 255)

OPEN_OBJECTS = PUBLIC_OBJECTS | {Obis(0, 0, 42, 0, 0, 255), Obis(0, 0, 40, 0, 0, 255), Obis(0, 0, 40, 0, 1, 255)}
"""What the public client may read: clock, serial, logical device name, invocation counters, its own association."""


class MeterModel:
    """The object model of one meter; the same for all its connections."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        config = meter.config
        found: list[CosemObject] = [clock_object(meter, meter.set_clock), *nameplate_objects(config, meter.zone)]
        found += water_objects(meter) if config.kind is MeterKind.WATER else Electricity(meter).objects()
        found += event_objects(meter)
        # The server answers these from the association's own state; they stand here for the object list.
        found += [data_object(f"0.0.43.1.{instance}.255", u32(0)) for instance in (1, 2, 3)]
        found.append(security_setup_object(config))
        self._objects = {object_.obis: object_ for object_ in found}
        for sap, instance in _INSTANCES.items():
            association = self._association(sap, instance)
            self._objects[association.obis] = association

    def get(
        self, association: Association, class_id: int, obis: Obis, attribute: int, selection: bytes | None
    ) -> bytes:
        """Return an attribute's value as A-XDR.

        Raises:
            Refused: no such object or attribute, another class, or the meter refuses everything at the moment.
        """
        self._object_to_refusals()
        found = self._find(association, class_id, obis)
        if attribute == 1:
            return encode(octets(obis.to_bytes()))
        return found.get(attribute, selection)

    def set(self, association: Association, class_id: int, obis: Obis, attribute: int, value: bytes) -> None:
        """Write an attribute.

        Raises:
            Refused: it cannot be written, or not by this client.
        """
        self._object_to_refusals()
        if association.client_sap != UTILITY_SAP:
            raise Refused(DataAccessResult.READ_WRITE_DENIED)
        self._find(association, class_id, obis).set(attribute, decode_all(value))

    def action(
        self, association: Association, class_id: int, obis: Obis, method: int, parameter: bytes | None
    ) -> bytes | None:
        """Refuse: this meter has no methods beyond the association's own.

        Raises:
            Refused: always.
        """
        self._find(association, class_id, obis)
        raise Refused(DataAccessResult.READ_WRITE_DENIED, f"{obis} has no method {method} ({parameter!r})")

    def visible(self, sap: int) -> Iterable[CosemObject]:
        """Return the objects a client may see, in the order of their names."""
        every = sorted(self._objects.values(), key=lambda found: found.obis)
        return [found for found in every if sap != PUBLIC_SAP or found.obis in OPEN_OBJECTS]

    def _find(self, association: Association, class_id: int, obis: Obis) -> CosemObject:
        if obis == _CURRENT:
            found: CosemObject = self._association(association.client_sap, 0)
        elif obis in self._objects:
            found = self._objects[obis]
        else:
            raise Refused(DataAccessResult.OBJECT_UNDEFINED, f"there is no {obis}")
        if found.class_id != class_id:
            raise Refused(DataAccessResult.OBJECT_CLASS_INCONSISTENT, f"{obis} is of class {found.class_id}")
        return found

    def _association(self, sap: int, instance: int) -> CosemObject:
        server_sap = self._meter.config.server_sap
        utility = int(self._meter.config.security.utility_mechanism)
        mechanism = {READER_SAP: 1, UTILITY_SAP: utility}.get(sap, 0)
        return association_object(instance, sap, server_sap, mechanism, lambda: self.visible(sap))

    def _object_to_refusals(self) -> None:
        if self._meter.book.active(FaultKind.REFUSE, self._meter.true_now_s()):
            raise Refused(DataAccessResult.TEMPORARY_FAILURE, "the meter is busy")
