"""OBIS codes as text and octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demeter.protocols.dlms.errors import DlmsError, Malformed, Truncated
from demeter.protocols.dlms.obis import Obis


@given(st.binary(min_size=6, max_size=6))
def test_octets_and_text_lead_back_to_the_same_code(octets):
    code = Obis.from_bytes(octets)
    assert code.to_bytes() == octets
    assert Obis.parse(str(code)) == code


@pytest.mark.parametrize("written", ["1.0.1.8.0.255", "1.0.1.8.0", "1-0:1.8.0*255", "1-0:1.8.0", " 1-0:1.8.0.255 "])
def test_common_notations_name_the_same_object(written):
    assert Obis.parse(written) == Obis(1, 0, 1, 8, 0, 255)


@pytest.mark.parametrize("written", ["", "1.0.1.8", "1.0.1.8.0.256", "1.0.1.8.0.255.0", "a.b.c.d.e.f", "1.0.1.8.0."])
def test_other_text_is_refused(written):
    with pytest.raises(DlmsError):
        Obis.parse(written)


def test_a_logical_name_has_six_octets():
    with pytest.raises(Truncated):
        Obis.from_bytes(b"12345")
    with pytest.raises(Malformed):
        Obis.from_bytes(b"1234567")
