"""Any frame as a tree with names, places and meanings, as JSON or XML, and back to the very same octets.

:func:`translate` reads wrapper and HDLC frames, raw APDUs and any of them one after the other, deciphers with a
:class:`Keyring` and checks tags; what it understood before an error stays. :func:`octets_of` writes. The grammar stands
in :mod:`.services`, :mod:`.associations`, :mod:`.ciphering`, :mod:`.values` and :mod:`.frames`, apart from the codecs
the head-end uses: each is a check of the other.
"""

from demeter.protocols.dlms.translate.apdus import known_apdus
from demeter.protocols.dlms.translate.context import Keyring, Keys
from demeter.protocols.dlms.translate.hexadecimal import is_hexadecimal, octets_from_text
from demeter.protocols.dlms.translate.json_form import error_to_json, from_json, node_to_json, to_json
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.text_form import to_text
from demeter.protocols.dlms.translate.translation import FORMS, Translation, Translator, octets_of, translate
from demeter.protocols.dlms.translate.xml_form import from_xml, to_xml

__all__ = [
    "FORMS",
    "Keyring",
    "Keys",
    "Node",
    "Translation",
    "Translator",
    "error_to_json",
    "from_json",
    "from_xml",
    "is_hexadecimal",
    "known_apdus",
    "node_to_json",
    "octets_from_text",
    "octets_of",
    "to_json",
    "to_text",
    "to_xml",
    "translate",
]
