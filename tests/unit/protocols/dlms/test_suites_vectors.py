"""Suites 1 and 2 against published examples.

The Green Book's examples (tables of ACCESS with general-ciphering and of key agreement in its annex) as other
implementations quote them; RFC 3394; RFC 5903; the "Suite B Implementer's Guide to FIPS 186-3"; FIPS 197.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from demeter.protocols.dlms.acse import Mechanism
from demeter.protocols.dlms.errors import Malformed, TagCheckFailed, Unsupported
from demeter.protocols.dlms.security import (
    AgreedKey,
    Counters,
    GeneralSigning,
    Header,
    KeyPairs,
    KeySet,
    Prover,
    Sessions,
    Suite,
    check_signature,
    decode_general_ciphering,
    derive_key,
    public_key,
    shared_secret,
    sign,
    unwrap_key,
    wrap_key,
)

CLIENT, SERVER = bytes.fromhex("4D4D4D0000BC614E"), bytes.fromhex("4D4D4D0000000001")
AK = bytes(range(0xD0, 0xE0))

CLIENT_SIGNING = bytes.fromhex("418073C239FA6125011DE4D6CD2E645780289F761BB21BFB0835CB5585E8B373")
CLIENT_SIGNING_PUBLIC = bytes.fromhex(
    "BAAFFDE06A8CB1C9DAE8D94023C601DBBB249254BA22EDD827E820BCA2BCC643"
    "62FBB83D86A82B87BB8B7161D2AAB5521911A946B97A284A90F7785CD9047D25"
)
SERVER_SIGNING = bytes.fromhex("AE55414FFE079F9FC95649536BD1C2B5653D200813727E07D501A8B550C69207")
SERVER_SIGNING_PUBLIC = bytes.fromhex(
    "933ACF15B03A9248E029B2787FB52A0AECAF635F07C42A0019FB3197E38F8F54"
    "9A125EA36781B0CA96BE89A0E1FE2CF9B7361ED48B3C5E24592B9C0F4EDD31D1"
)
CLIENT_AGREEMENT = bytes.fromhex("A51C16FF5C498FCC89323D4A9267CD71BF81FD6F6A891CD240DA7F3D6F283E65")
CLIENT_AGREEMENT_PUBLIC = bytes.fromhex(
    "07C56DE2DCAF0FD793EF29F019C89B4A0CC1E001CE94F4FFBE10BC05E7E66F76"
    "71A13FBCF9E662B9826FFF6A6938546D524ED6D3405F020296BDE16B04F7A7C2"
)
SERVER_AGREEMENT = bytes.fromhex("AAD3FD0732E991CF52A74C66C1F2827DDC53522A2E0A169D7C4FFCC0FB5D6A4D")
SERVER_AGREEMENT_PUBLIC = bytes.fromhex(
    "A653565B0E06070BAE9FBE140A5D2156812AEE2DD525053E3EFC850BF13BFDFF"
    "CB240BC7B77BFF5883344E7275908D2287BEFA3725017295A096989D2338290B"
)
EPHEMERAL_CLIENT = bytes.fromhex("47DAB03842E5B6E74828EF4F449B378D7DD1A5DAE1FFCA5AE0B0BE0AD18EC57E")
EPHEMERAL_CLIENT_PUBLIC = bytes.fromhex(
    "C323C2BD45711DE4688637D919F92E9DB8FB2DFC213A88D21C9DC8DCBA917D81"
    "70511DE1BADB360D50058F794B0960AE11FA28D392CFF907A62D13E3357B1DC0"
)
EPHEMERAL_CLIENT_SIGNATURE = bytes.fromhex(
    "B51BE089D0B682863B2217201E73A1A9031968A9B4121DCBC3281A69739AF874"
    "29F5B3AC5471E7B6A04A2C0F2F8A25FD772A317DF97FC5463FEAC248EB8AB8BE"
)
EPHEMERAL_SERVER_PUBLIC = bytes.fromhex(
    "6439724714B47CD9CB988897D8424AB946DCD083D37A954637616011B9C23787"
    "73295F0F850D8DAFD1BBE9FE666E53E4F097CD10B38B69622152724A90987444"
)
EPHEMERAL_SERVER_SIGNATURE = bytes.fromhex(
    "E1FF47974A1F6931A6502F58147463F0E8CC517D47F55B0AC56DD8AC5C9D0E48"
    "1934F2D90F9893016BD82B6E3FFE21FF1588F3278B4E9D98EB4FB62ADD64B380"
)
ACCESS = bytes.fromhex(
    "D94000000000040100010000600100FF020100080000010000FF0202001400000D0000FF0702001400000D0000FF08040000010402030901"
    "00090CFFFFFFFFFFFFFF00000000000901FF0203090101090CFFFFFFFFFFFFFF00000000000901FF0203090102090CFFFFFFFFFFFFFF0000"
    "0000000901FF0203090103090CFFFFFFFFFFFFFF00000000000901FF0104020809010011FF11FF11FF11FF11FF11FF11FF02080901011102"
    "110111011101110111011101020809010211FF11FF11FF11FF11FF11FF11FF02080901031101110211021102110211021102"
)
ONE_PASS = bytes.fromhex(
    "DD080102030405060708084D4D4D0000BC614E084D4D4D0000000001000001020101"
    "8180" + EPHEMERAL_CLIENT_PUBLIC.hex() + EPHEMERAL_CLIENT_SIGNATURE.hex() + "81EB3100000000"
    "F435069679270C5BF4425EE5777402A6C8D51C620EED52DBB188378B836E2857D5C053E6DDF27FA87409AEF502CD9618AE47017C010224FD"
    "109CC0BEB21E742D44AB40CD11908743EC90EC8C40E221D517F72228E1A26E827F43DC18ED27B5F458D66508B05A2A4CC6FED178C881AFC3"
    "BC67064689BE8BB41C80ABB3C114A31F4CB03B8B64C7E0B4CE77B2399C93347858888F92239713B38DF01C4858245827A92EF334172EA636"
    "B31CBBDF2A96AD5D035F66AA38F1A2D97D4BBA99622E6B5F18789CECB2DFB3937D9F3E17F8B472098E6563238F37528374809836002AEA6E"
    "7012D2ADFAA7"
)
STATIC = bytes.fromhex(
    "607581D83815281B561904E6A72B83BF3FB0B1F2A0A23A82A804B39911F6CB1B4EF9B6F76C6338ED058014FFBF4A13A162E0EED11EEB8F59"
    "7757A18215F28E1D3FC2D44586C4B8AFE4500B535B579506CDB925CBEFF7F1CF6BF96C583B9CF588FE8F6B01A574824D7CEC597F057FFA87"
    "00AF12AD63A7FA72040439F4392C089B265F9EB1AC308239906DC04E1A8712ABE383CF92349842EBA166EF2E9EB2F53D0DBA025D79875463"
    "398BBC3007BC4A6FC12780C21EE1ABF080BF0FA926242834C0AC30D55A1EF8856E7DED48621F17FDF4D5B54EDDADD874119251049B6AEE11"
    "1C12FBC2FEAF"
)
TRANSACTION = bytes.fromhex("0102030405060708")


def deciphered(key: bytes, body: bytes) -> bytes:
    """What GCM's stream makes of the ciphertext; the tag is not looked at."""
    return AESGCM(key).encrypt(CLIENT + bytes(4), body[:-12], None)[:-16]


@pytest.mark.parametrize(
    ("private", "public"),
    [
        (CLIENT_SIGNING, CLIENT_SIGNING_PUBLIC),
        (SERVER_SIGNING, SERVER_SIGNING_PUBLIC),
        (CLIENT_AGREEMENT, CLIENT_AGREEMENT_PUBLIC),
        (SERVER_AGREEMENT, SERVER_AGREEMENT_PUBLIC),
        (EPHEMERAL_CLIENT, EPHEMERAL_CLIENT_PUBLIC),
    ],
)
def test_the_published_key_pairs_belong_together(private: bytes, public: bytes) -> None:
    assert public_key(Suite.ONE, private) == public


def test_the_published_signatures_of_ephemeral_keys_verify() -> None:
    check_signature(Suite.ONE, CLIENT_SIGNING_PUBLIC, EPHEMERAL_CLIENT_SIGNATURE, EPHEMERAL_CLIENT_PUBLIC)
    check_signature(Suite.ONE, SERVER_SIGNING_PUBLIC, EPHEMERAL_SERVER_SIGNATURE, EPHEMERAL_SERVER_PUBLIC)
    with pytest.raises(TagCheckFailed):
        check_signature(Suite.ONE, SERVER_SIGNING_PUBLIC, EPHEMERAL_CLIENT_SIGNATURE, EPHEMERAL_CLIENT_PUBLIC)


def test_the_published_key_offer_is_signed_with_its_key_id() -> None:
    point = bytes.fromhex(
        "2914D60E10AB705F62ED6CC349D7CB99B9AB3F3978E59278C7AF595B3AF98794"
        "1372DAB6D5AF1FA867E134167E6F23DE664A6693E05F43414611058D1B48F894"
    )
    signature = bytes.fromhex(
        "06F0607702AA0E2435A183E2F6B1ECD19629712E389A213610C03F77B2590860"
        "EA840AF5C3FA1F2BCDF055D4744E9A01CE9A0E55026BCAA4EEBEB764CED64BB3"
    )
    check_signature(Suite.ONE, CLIENT_SIGNING_PUBLIC, signature, b"\x00" + point)
    with pytest.raises(TagCheckFailed):
        check_signature(Suite.ONE, CLIENT_SIGNING_PUBLIC, signature, point)
    server = bytes.fromhex("34A8C23A34DBB519D09B245754C85A6CFE05D14A063EFA5AA41545AA8241EFAE")
    published = "C1CF8FE7891AEF3617D7190795E61FE6C24EFC3CCA2E08469BAD1A225CE6EA08"
    assert shared_secret(Suite.ONE, server, point).hex().upper() == published


def test_the_one_pass_key_is_derived_as_published_from_either_side() -> None:
    secret = shared_secret(Suite.ONE, EPHEMERAL_CLIENT, SERVER_AGREEMENT_PUBLIC)
    assert secret.hex().upper() == "0D4385BA0DD756CBCAB9887EB538396EE8F090A14C1079B4359F115B977F4615"
    assert shared_secret(Suite.ONE, SERVER_AGREEMENT, EPHEMERAL_CLIENT_PUBLIC) == secret
    assert derive_key(Suite.ONE, secret, CLIENT, SERVER).hex().upper() == "59A71FD81C929A86A99438DA17A66C05"
    back = shared_secret(Suite.ONE, CLIENT_AGREEMENT, EPHEMERAL_SERVER_PUBLIC)
    assert back.hex().upper() == "2B4302DC49790E2E78D990CFB52ED6E2F273DECE441A2D95E4301B93812A9FAC"
    assert derive_key(Suite.ONE, back, SERVER, CLIENT).hex().upper() == "F0184BDA9466BFA4601A64A7EF46504A"


def test_the_published_general_ciphering_apdu_is_read_and_written_and_its_key_found() -> None:
    sealed = decode_general_ciphering(ONE_PASS)
    assert sealed.header == Header(TRANSACTION, CLIENT, SERVER)
    assert sealed.key_info == AgreedKey(1, EPHEMERAL_CLIENT_PUBLIC + EPHEMERAL_CLIENT_SIGNATURE)
    assert sealed.encode() == ONE_PASS
    assert sealed.body[:5].hex() == "3100000000"
    pairs = KeyPairs(agreement=SERVER_AGREEMENT, peer_signing=CLIENT_SIGNING_PUBLIC)
    server = Sessions(KeySet(bytes(16), AK, Suite.ONE, pairs=pairs), SERVER, Counters())
    session = server.incoming(sealed.key_info, sealed.header)
    assert session.fresh
    assert deciphered(bytes.fromhex("59A71FD81C929A86A99438DA17A66C05"), sealed.body[5:]) == ACCESS
    other = KeyPairs(agreement=SERVER_AGREEMENT, peer_signing=SERVER_SIGNING_PUBLIC)
    elsewhere = Sessions(KeySet(bytes(16), AK, Suite.ONE, pairs=other), SERVER, Counters())
    with pytest.raises(TagCheckFailed):
        elsewhere.incoming(sealed.key_info, sealed.header)


def test_the_static_key_is_derived_as_published_and_opens_the_published_content() -> None:
    secret = shared_secret(Suite.ONE, CLIENT_AGREEMENT, SERVER_AGREEMENT_PUBLIC)
    assert shared_secret(Suite.ONE, SERVER_AGREEMENT, CLIENT_AGREEMENT_PUBLIC) == secret
    key = derive_key(Suite.ONE, secret, CLIENT, SERVER, TRANSACTION)
    assert key.hex().upper() == "56C46B57DF675515C31025455822514A"
    assert deciphered(key, STATIC) == ACCESS


@pytest.mark.parametrize(
    ("master", "key", "wrapped"),
    [
        (
            "000102030405060708090A0B0C0D0E0F",
            "00112233445566778899AABBCCDDEEFF",
            "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
    ],
)
def test_keys_are_wrapped_as_rfc_3394_has_it(master: str, key: str, wrapped: str) -> None:
    assert wrap_key(bytes.fromhex(master), bytes.fromhex(key)).hex().upper() == wrapped
    assert unwrap_key(bytes.fromhex(master), bytes.fromhex(wrapped)).hex().upper() == key
    for at in range(len(wrapped) // 2):
        altered = bytearray.fromhex(wrapped)
        altered[at] ^= 1
        with pytest.raises(TagCheckFailed):
            unwrap_key(bytes.fromhex(master), bytes(altered))


def test_p_384_agrees_as_rfc_5903_has_it() -> None:
    private = bytes.fromhex(
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194"
    )
    peer = bytes.fromhex(
        "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571"
        "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C"
    )
    secret = shared_secret(Suite.TWO, private, peer)
    assert secret.hex().upper() == (
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"
    )
    other = bytes.fromhex("60857405080301") + CLIENT + SERVER
    expected = hashlib.sha384(b"\x00\x00\x00\x01" + secret + other).digest()[:32]
    assert derive_key(Suite.TWO, secret, CLIENT, SERVER) == expected


def test_a_p_384_signature_of_the_suite_b_guide_verifies() -> None:
    public = bytes.fromhex(
        "1fbac8eebd0cbf35640b39efe0808dd774debff20a2a329e91713baf7d7f3c3e81546d883730bee7e48678f857b02ca0"
        "eb213103bd68ce343365a8a4c3d4555fa385f5330203bdd76ffad1f3affb95751c132007e1b240353cb0a4cf1693bdf9"
    )
    signature = bytes.fromhex(
        "a0c27ec893092dea1e1bd2ccfed3cf945c8134ed0c9f81311a0f4a05942db8dbed8dd59f267471d5462aa14fe72de856"
        "20ab3f45b74f10b6e11f96a2c8eb694d206b9dda86d3c7e331c26b22c987b7537726577667adadf168ebbe803794a402"
    )
    content = b"This is only a test message. It is 48 bytes long"
    private = "c838b85253ef8dc7394fa5808a5183981c7deef5a69ba8f4f2117ffea39cfcd90e95f6cbc854abacab701d50c1f3cf24"
    assert public_key(Suite.TWO, bytes.fromhex(private)) == public
    check_signature(Suite.TWO, public, signature, content)
    with pytest.raises(TagCheckFailed):
        check_signature(Suite.TWO, public, signature[:-1] + b"\x03", content)


def test_mechanism_2_is_aes_as_fips_197_has_it() -> None:
    prover = Prover(Mechanism.HLS_MAKER, bytes(range(16)))
    challenge = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    assert prover.answer(challenge, b"").hex().upper() == "69C4E0D86A7B0430D8CDB78070B4C55A"
    assert len(prover.answer(challenge + b"1", b"")) == 32
    with pytest.raises(Malformed):
        Prover(Mechanism.HLS_MAKER, b"short").answer(challenge, b"")


@pytest.mark.parametrize(
    ("mechanism", "secret", "challenge", "answer"),
    [
        # RFC 1321, RFC 3174: the digests of "abc", split into challenge and secret.
        (Mechanism.HLS_MD5, b"c", b"ab", "900150983cd24fb0d6963f7d28e17f72"),
        (Mechanism.HLS_SHA1, b"bc", b"a", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ],
)
def test_mechanisms_3_and_4_digest_the_challenge_before_the_secret(
    mechanism: Mechanism, secret: bytes, challenge: bytes, answer: str
) -> None:
    assert Prover(mechanism, secret).answer(challenge, b"").hex() == answer


def test_mechanism_6_digests_secret_titles_and_challenges_in_their_order() -> None:
    client, server = (
        Prover(Mechanism.HLS_SHA256, b"secret", *titles) for titles in ((CLIENT, SERVER), (SERVER, CLIENT))
    )
    expected = hashlib.sha256(b"secret" + CLIENT + SERVER + b"to-client" + b"to-server").digest()
    assert client.answer(b"to-client", b"to-server") == expected
    assert server.check(expected, b"to-client", b"to-server") is None
    with pytest.raises(TagCheckFailed):
        client.check(expected, b"to-server", b"to-client")


def test_a_signature_covers_the_header_with_lengths_and_the_content_without() -> None:
    header = Header(TRANSACTION, CLIENT, SERVER)
    signed = GeneralSigning(header, b"\xc0\x01", b"").signed
    assert signed.hex() == "08" + TRANSACTION.hex() + "08" + CLIENT.hex() + "08" + SERVER.hex() + "0000" + "c001"


@pytest.mark.parametrize("suite", [Suite.ONE, Suite.TWO])
def test_keys_that_are_none_are_refused(suite: Suite) -> None:
    size = suite.coordinate_size
    with pytest.raises(Malformed):
        sign(suite, bytes(size), b"")
    with pytest.raises(Malformed):
        sign(suite, bytes(size - 1), b"")
    with pytest.raises(Malformed):
        check_signature(suite, bytes(2 * size), bytes(2 * size), b"")
    with pytest.raises(Malformed):
        check_signature(suite, b"", bytes(2 * size), b"")
    with pytest.raises(Unsupported):
        sign(Suite.ZERO, b"", b"")
