"""Versioned messages between slices; who sends and who receives know these, never each other."""

from demeter.contracts.usage import MeterPart, QualityShare, RegisterRead, UsageStatement

__all__ = ["MeterPart", "QualityShare", "RegisterRead", "UsageStatement"]
