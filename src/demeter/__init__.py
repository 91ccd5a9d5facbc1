"""Demeter: from the meter's own protocol to a number nobody has to argue about."""

__version__ = "0.1.0"
