"""What DLMS meters send unasked: framing, protection, layouts, and readings out of it; the codec ``dlms/push``."""

from demeter.drivers.dlms.pushing.frames import CODEC, PushDecoder
from demeter.drivers.dlms.pushing.receiver import DlmsPushes

__all__ = ["CODEC", "DlmsPushes", "PushDecoder"]
