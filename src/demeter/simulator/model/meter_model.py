"""All objects of one meter behind the interface ``protocols.dlms.server`` asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from demeter.protocols.dlms.axdr import decode_all, encode, encode_length
from demeter.protocols.dlms.classes import DisconnectControl, ImageTransfer, ProfileGeneric, PushSetup
from demeter.protocols.dlms.classes.commands.image import IMAGE
from demeter.protocols.dlms.classes.commands.supply import RELAY
from demeter.protocols.dlms.classes.commands.tariff import BILLING_RESET, RESET_SCRIPT
from demeter.protocols.dlms.data import Data, Tag, null, octets, u32
from demeter.protocols.dlms.errors import DataAccessResult, Refused
from demeter.protocols.dlms.obis import Obis
from demeter.protocols.dlms.profile import CaptureObject, EntrySelection
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
from demeter.simulator.model.firmware import ACTIVATION_SCRIPT, ACTIVATION_SCRIPTS, firmware_objects
from demeter.simulator.model.identity import nameplate_objects
from demeter.simulator.model.objects import PROFILE, CosemObject, data_object
from demeter.simulator.model.pushes import DEVICE, PUSH_SCHEDULE, PUSH_SCRIPTS, push_objects, set_up
from demeter.simulator.model.scripts import running, script_table
from demeter.simulator.model.switching import CLOSE_SCRIPT, OPEN_SCRIPT, SWITCH_SCRIPTS, switching_objects
from demeter.simulator.model.tariffs import tariff_objects
from demeter.simulator.model.water import water_objects
from demeter.simulator.pushing import ALERT, INSTANT, LOAD, Pushes
from demeter.simulator.security import PUSH_SAP

OPEN_OBJECTS = PUBLIC_OBJECTS | {Obis(0, 0, 42, 0, 0, 255), CURRENT, association_name(PUBLIC_SAP)}
"""What the public client may read: clock, serial, logical device name, invocation counters, its own association."""

_PUSHED = {DEVICE, INSTANT, ALERT, LOAD, PUSH_SCHEDULE, association_name(PUSH_SAP), Obis(0, 0, 43, 1, 4, 255)}
_SHOWN = {PUBLIC_SAP: OPEN_OBJECTS, PUSH_SAP: OPEN_OBJECTS | _PUSHED}
"""What clients see that do not see everything: nobody proved who holds a pre-established association."""


class MeterModel:
    """The object model of one meter; the same for all its connections.

    ``sent``: the meter's own invocation counter; ``changed`` is called after every write and method.
    """

    def __init__(
        self,
        meter: Meter,
        pushes: Pushes | None = None,
        sent: Callable[[], int] = lambda: 0,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._meter = meter
        self._sent = sent
        self._changed = changed
        if pushes is None:
            pushes = Pushes(meter)
            set_up(pushes)
        self._pushes = pushes
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
        shown = _SHOWN.get(association.client_sap)
        if shown is not None and obis not in shown:
            raise Refused(DataAccessResult.READ_WRITE_DENIED, f"this client does not see {obis}")
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
        self._changed()

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
        answer = self._find(association, class_id, obis).invoke(method, parameter)
        self._changed()
        return answer

    def visible(self, sap: int) -> Iterable[CosemObject]:
        """Return the objects a client may see, in the order of their names."""
        every = sorted(self._objects.values(), key=lambda found: found.obis)
        shown = _SHOWN.get(sap)
        return every if shown is None else [found for found in every if found.obis in shown]

    def pushed(self, captures: Sequence[CaptureObject]) -> bytes:
        """Return the body of a push: a structure of the attributes as they are now; null where there is none.

        The index of a profile's buffer says how many of its newest rows go.
        """
        self._meter.advance()
        values = b"".join(self._pushed(capture) for capture in captures)
        return bytes((Tag.STRUCTURE,)) + encode_length(len(captures)) + values

    def _pushed(self, capture: CaptureObject) -> bytes:
        try:
            found = self._own(capture.class_id, capture.obis)
            if capture.attribute == 1:
                return encode(octets(capture.obis.to_bytes()))
            if capture.class_id != PROFILE or capture.attribute != 2 or not capture.index:
                return found.get(capture.attribute, None)
            in_use = int(decode_all(found.get(7, None)).value)
            return found.get(2, EntrySelection(max(in_use - capture.index, 0) + 1, 0).to_bytes())
        except Refused:
            return encode(null())

    def _measuring(self) -> list[CosemObject]:
        """Return what the meter measures and who it is."""
        meter = self._meter
        found: list[CosemObject] = [clock_object(meter)]
        found += nameplate_objects(meter.config, meter.zone, lambda: meter.image.version)
        if meter.config.kind is MeterKind.WATER:
            return [*found, *water_objects(meter), *event_objects(meter, ())]
        electricity = Electricity(meter)
        return [*found, *electricity.objects(), *event_objects(meter, electricity.snapshot())]

    def _operating(self) -> list[CosemObject]:
        """Return what the meter can be told to do."""
        switching = switching_objects(self._meter)
        found = [*switching, *tariff_objects(self._meter), *firmware_objects(self._meter), *push_objects(self._pushes)]
        found += [self._billing_scripts(), self._activation_scripts(), self._push_scripts()]
        if switching:
            scripts = {
                OPEN_SCRIPT: [running(DisconnectControl, RELAY, DisconnectControl.remote_disconnect)],
                CLOSE_SCRIPT: [running(DisconnectControl, RELAY, DisconnectControl.remote_reconnect)],
            }
            found.append(script_table(SWITCH_SCRIPTS, scripts, self._run, self._write))
        counters = {1: lambda: u32(0), 4: lambda: u32(self._sent())}
        return [*found, *(data_object(f"0.0.43.1.{instance}.255", value) for instance, value in counters.items())]

    def _activation_scripts(self) -> CosemObject:
        actions = [running(ImageTransfer, IMAGE, ImageTransfer.image_activate)]
        return script_table(ACTIVATION_SCRIPTS, {ACTIVATION_SCRIPT: actions}, self._run, self._write)

    def _push_scripts(self) -> CosemObject:
        scripts = {
            number: [running(PushSetup, obis, PushSetup.push)] for number, obis in enumerate(self._pushes.points, 1)
        }
        return script_table(PUSH_SCRIPTS, scripts, self._run, self._write)

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
