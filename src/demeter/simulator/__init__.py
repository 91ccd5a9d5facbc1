"""Simulated meters that speak their real protocol: the society of the demonstration, the peers of the tests."""

from demeter.simulator.control import ask
from demeter.simulator.credentials import credentials, write_credentials
from demeter.simulator.faults import Fault, FaultKind
from demeter.simulator.fleet import (
    FleetConfig,
    LoadConfig,
    MeterConfig,
    MeterKind,
    Role,
    Transport,
    fleet_from_record,
    fleet_record,
    save_fleet,
)
from demeter.simulator.fleet_file import EXAMPLE, FleetFileError, load_fleet, parse_fleet
from demeter.simulator.image import firmware_image
from demeter.simulator.process import run_fleet
from demeter.simulator.push_config import PushConfig, PushForm, PushTransport
from demeter.simulator.security import SecurityConfig
from demeter.simulator.simulation import Address, Simulation
from demeter.simulator.society import housing_society

__all__ = [
    "EXAMPLE",
    "Address",
    "Fault",
    "FaultKind",
    "FleetConfig",
    "FleetFileError",
    "LoadConfig",
    "MeterConfig",
    "MeterKind",
    "PushConfig",
    "PushForm",
    "PushTransport",
    "Role",
    "SecurityConfig",
    "Simulation",
    "Transport",
    "ask",
    "credentials",
    "firmware_image",
    "fleet_from_record",
    "fleet_record",
    "housing_society",
    "load_fleet",
    "parse_fleet",
    "run_fleet",
    "save_fleet",
    "write_credentials",
]
