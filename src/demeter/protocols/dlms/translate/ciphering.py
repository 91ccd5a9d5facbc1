"""Protected APDUs: their envelopes, what is inside them where the keys are known, and sealing it again.

With keys, what was deciphered stands as the derived part ``Plaintext`` beside ``Ciphertext``. Written with keys, the
plaintext is sealed anew (AES-GCM gives the same octets for the same content); without keys the ciphertext counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from demeter.protocols.dlms.errors import DlmsError, Malformed, TagCheckFailed, Truncated, Unsupported
from demeter.protocols.dlms.security import (
    DED_OF,
    GENERAL_CIPHERING,
    GENERAL_DED,
    GENERAL_GLO,
    GENERAL_SIGNING,
    GLO_OF,
    Counters,
    GeneralCiphering,
    Sessions,
    Suite,
    SuiteKeys,
    check_signature,
    counter_octets,
    decode_general_ciphering,
    decode_general_signing,
)
from demeter.protocols.dlms.translate import words
from demeter.protocols.dlms.translate.apdus import APDU, known_apdus
from demeter.protocols.dlms.translate.context import Context, Keys
from demeter.protocols.dlms.translate.engine import (
    Choice,
    Exactly,
    Fixed,
    Kind,
    Number,
    Octets,
    Out,
    Part,
    Sequence,
    Walk,
    as_int,
    as_octets,
)
from demeter.protocols.dlms.translate.node import Node
from demeter.protocols.dlms.translate.values import moment_meaning

TAG_SIZE: Final = 12
_AUTHENTICATED, _ENCRYPTED, _SUITE = 0x10, 0x20, 0x0F
_PLAIN: Final = "Plaintext"
_CIPHER: Final = "Ciphertext"
_BY_SERVER: Final = frozenset({0x08, 0x0E, 0xC2, 0xC4, 0xC5, 0xC7})
"""Plain tags of what a meter sends."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around protected content.

    ``announced``: the plain tag a service-specific envelope promises. ``titles``: who may have sent it. ``header``:
    what general-ciphering authenticates besides; ``general``: the APDU that says where its key comes from.
    """

    announced: int | None
    titles: tuple[bytes, ...]
    dedicated: bool = False
    header: bytes = b""
    general: GeneralCiphering | None = None


def _keys(context: Context, envelope: Envelope, suite: Suite) -> Iterator[SuiteKeys]:
    """The keys that may fit, ready for use; those that cannot be used are passed over.

    Raises:
        DlmsError: none can: a key is missing or has another size than the suite's.
    """
    keyring = context.keyring
    failed: DlmsError | None = None
    usable = False
    for keys in keyring.candidates(*envelope.titles, keyring.server, keyring.client):
        try:
            ready = _ready(context, envelope, keys, suite)
        except DlmsError as error:
            failed = error
            continue
        usable = True
        yield ready
    if failed is not None and not usable:
        raise failed


def _ready(context: Context, envelope: Envelope, keys: Keys, suite: Suite) -> SuiteKeys:
    held = keys.of(suite)
    if envelope.dedicated:
        if not context.keyring.dedicated:
            raise Unsupported("the dedicated key of the association is not known")
        return held.session(context.keyring.dedicated)
    general = envelope.general
    if general is None:
        return held.sealing
    sessions = Sessions(held, general.header.recipient, Counters())
    return sessions.incoming(general.key_info, general.header).keys


class Content:
    """``SC | IC | ciphertext | T``, and what is inside."""

    def read(self, walk: Walk, at: int, node: Node, envelope: Envelope) -> int:
        """Read up to the end of the walk; a tag that does not match is a problem, not the end of reading."""
        node.items = node.items or []
        start = at
        at = walk.read(node, "SecurityControl", Number(words=words.security_control), at)
        at = walk.read(node, "InvocationCounter", Number(4), at)
        control = walk.octets[start]
        end = walk.end - (TAG_SIZE if control & _AUTHENTICATED else 0)
        if end < at:
            raise walk.fail(Truncated, "protected content ends inside its authentication tag", at)
        inner = walk.until(end)
        encrypted = control & _ENCRYPTED != 0
        if encrypted:
            inner.read(node, _CIPHER, Fixed(), at)
        else:
            inner.finish(inner.read(node, _PLAIN, APDU, at), "an APDU")
        if control & _AUTHENTICATED:
            walk.read(node, "AuthenticationTag", Fixed(TAG_SIZE), end)
        self._open(walk, node, start, at, envelope)
        return walk.end

    def _open(self, walk: Walk, node: Node, start: int, at: int, envelope: Envelope) -> None:
        """Check the tag and decipher, if there are keys."""
        tag, cipher = node.find("AuthenticationTag"), node.find(_CIPHER)
        if walk.context.keyring.empty:
            if cipher is not None:
                cipher.meaning = "no key given"
            return
        try:
            plain = self._opened(walk, start, envelope)
        except DlmsError as error:
            offset = walk.base + (
                start if tag is None or not isinstance(error, TagCheckFailed) else walk.end - TAG_SIZE
            )
            walk.context.problems.append(type(error)(error.message, offset=offset))
            for item in (tag, cipher):
                if item is not None:
                    item.meaning = error.message
                    break
            return
        if tag is not None:
            tag.meaning = "right"
        if cipher is None:
            return
        found = node.add(Node(_PLAIN, walk.base + at, len(plain), items=[], derived=True))
        inner = walk.inside(plain, at)
        try:
            inner.finish(APDU.read(inner, 0, found), "an APDU")
        except DlmsError:
            found.broken = True
            raise

    def _opened(self, walk: Walk, start: int, envelope: Envelope) -> bytes:
        body = walk.octets[start : walk.end]
        try:
            suite = Suite(body[0] & _SUITE)
        except ValueError:
            raise Unsupported(f"security suite {body[0] & _SUITE}") from None
        if not envelope.titles:
            raise Unsupported("the sender's system title is not known")
        failed: DlmsError | None = None
        for title in envelope.titles:
            for keys in _keys(walk.context, envelope, suite):
                try:
                    plain = keys.open(title, body, start, envelope.header).plaintext
                except TagCheckFailed as error:
                    failed = error
                    continue
                if plain[:1] in _expected(envelope):
                    return plain
                failed = Malformed("the deciphered APDU is not what its tag announced")
        raise failed or TagCheckFailed("no key fits")

    def write(self, out: Out, node: Node, envelope: Envelope) -> None:
        """Write it: sealed anew where there are keys and a plaintext, else as it was."""
        parts = {item.name: item for item in node.items or ()}
        for name in ("SecurityControl", "InvocationCounter"):
            if name not in parts:
                raise Malformed(f"{node.name} lacks {name}")
        control, counter = as_int(parts["SecurityControl"]), as_int(parts["InvocationCounter"])
        plain = None
        if _PLAIN in parts:
            content = out.apart()
            APDU.write(content, parts[_PLAIN])
            plain = bytes(content.octets)
        before = _before(parts, control, counter)
        sealed = None if plain is None else _sealed(out.context, envelope, control, counter, plain, before)
        if sealed is not None:
            out.octets += sealed
            return
        Number().write(out, parts["SecurityControl"])
        Number(4).write(out, parts["InvocationCounter"])
        if control & _ENCRYPTED:
            if _CIPHER not in parts:
                raise Malformed(f"{node.name}: sealing the plaintext needs the key and the sender's system title")
            out.octets += as_octets(parts[_CIPHER])
        elif plain is not None:
            out.octets += plain
        else:
            raise Malformed(f"{node.name} lacks {_PLAIN}")
        if control & _AUTHENTICATED:
            if "AuthenticationTag" not in parts:
                raise Malformed(f"{node.name} lacks AuthenticationTag: without the key it cannot be made")
            Fixed(TAG_SIZE).write(out, parts["AuthenticationTag"])


def _expected(envelope: Envelope) -> frozenset[bytes]:
    """The first octets that content may have."""
    if envelope.announced is not None:
        return frozenset({bytes((envelope.announced,))})
    return frozenset(bytes((tag,)) for tag in known_apdus())


def _before(parts: dict[str, Node], control: int, counter: int) -> bytes | None:
    """The content as it was read, if it is all there: what tells which key sealed it."""
    names = [_CIPHER if control & _ENCRYPTED else "", "AuthenticationTag"]
    if not control & _AUTHENTICATED or any(name not in parts for name in names) or not 0 <= control <= 0xFF:
        return None
    return b"".join((bytes((control,)), counter_octets(counter), *(as_octets(parts[name]) for name in names)))


def _sealed(
    context: Context, envelope: Envelope, control: int, counter: int, plain: bytes, before: bytes | None
) -> bytes | None:
    """The content sealed, or None where key or title is not known.

    Raises:
        TagCheckFailed: no key opens what was there ``before``: sealing under another would say something else.
    """
    suite, protection = control & _SUITE, control & ~_SUITE
    if context.keyring.empty or not envelope.titles or suite > max(Suite):
        return None
    if not protection or protection & ~(_AUTHENTICATED | _ENCRYPTED):
        return None
    try:
        usable = list(_keys(context, envelope, Suite(suite)))
    except DlmsError:
        return None
    for title in envelope.titles:
        for keys in usable:
            if before is None or _opens(keys, title, before, envelope):
                return keys.seal(title, counter, plain, protection, envelope.header)
    raise TagCheckFailed("no key opens the ciphertext beside the plaintext: remove it to seal under this key")


def _opens(keys: SuiteKeys, title: bytes, before: bytes, envelope: Envelope) -> bool:
    try:
        keys.open(title, before, 0, envelope.header)
    except DlmsError:
        return False
    return True


_CONTENT: Final = Content()


class ServiceCiphering:
    """glo- and ded-ciphering of one service: a length and the content; the sender's title is not in it."""

    def __init__(self, plain: int, *, dedicated: bool) -> None:
        self._plain = plain
        self._dedicated = dedicated

    def _envelope(self, context: Context) -> Envelope:
        keyring = context.keyring
        sides = (keyring.client, keyring.server)
        likely = sides[::-1] if self._plain in _BY_SERVER else sides
        return Envelope(self._plain, tuple(title for title in likely if title), self._dedicated)

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read length and content."""
        size, start = walk.length(at, node)
        walk.take(start, size)
        return _CONTENT.read(walk.until(start + size), start, node, self._envelope(walk.context))

    def write(self, out: Out, node: Node) -> None:
        """Write length and content."""
        content = out.apart()
        _CONTENT.write(content, node, self._envelope(out.context))
        out.length(len(content.octets), node)
        out.octets += content.octets


_TITLE = Octets(words.title, (0, 8))


class _CipheredService:
    """The octet-string with the content of a general envelope."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def read(self, walk: Walk, at: int, node: Node) -> int:
        size, start = walk.length(at, node)
        walk.take(start, size)
        return _CONTENT.read(walk.until(start + size), start, node, self._envelope)

    def write(self, out: Out, node: Node) -> None:
        content = out.apart()
        _CONTENT.write(content, node, self._envelope)
        out.length(len(content.octets), node)
        out.octets += content.octets


_SERVICE: Final = "CipheredService"


class GeneralGlo:
    """general-glo- and general-ded-ciphering: the sender's title and the content."""

    def __init__(self, *, dedicated: bool) -> None:
        self._dedicated = dedicated

    def _envelope(self, context: Context, title: bytes) -> Envelope:
        keyring = context.keyring
        known = (title,) if title else tuple(side for side in (keyring.server, keyring.client) if side)
        return Envelope(None, known, self._dedicated)

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read title and content."""
        node.items = []
        at = walk.read(node, "SystemTitle", _TITLE, at)
        envelope = self._envelope(walk.context, as_octets(node.items[0]))
        return walk.read(node, _SERVICE, _CipheredService(envelope), at)

    def write(self, out: Out, node: Node) -> None:
        """Write title and content."""
        title, content = _two(node, "SystemTitle", _SERVICE)
        _TITLE.write(out, title)
        _CipheredService(self._envelope(out.context, as_octets(title))).write(out, content)


_HEADER = (
    Part("TransactionId", Octets()),
    Part("OriginatorSystemTitle", _TITLE),
    Part("RecipientSystemTitle", _TITLE),
    Part("DateTime", Octets(moment_meaning)),
    Part("OtherInformation", Octets()),
)
_KEY_INFO = Part(
    "KeyInfo",
    Choice(
        {
            0: Part("IdentifiedKey", Sequence(Part("KeyId", Number(words=words.among({0: "global unicast key"}))))),
            1: Part(
                "WrappedKey",
                Sequence(
                    Part("KekId", Number(words=words.among({0: "master key"}))), Part("KeyCipheredData", Octets())
                ),
            ),
            2: Part(
                "AgreedKey",
                Sequence(Part("KeyParameters", Octets(sizes=(1,))), Part("KeyCipheredData", Octets())),
            ),
        },
        Unsupported,
    ),
    optional=True,
)
_CIPHERING_HEAD = Sequence(*_HEADER, _KEY_INFO)
_SIGNING_HEAD = Sequence(*_HEADER)


class GeneralCipheringKind:
    """general-ciphering: who to whom, which key, the content."""

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read header, key-info and content."""
        start = _CIPHERING_HEAD.read(walk, at, node)
        size, inner = walk.length(start, Node(""))
        walk.take(inner, size)
        end = inner + size
        general = decode_general_ciphering(bytes((GENERAL_CIPHERING,)) + walk.octets[at:end])
        return walk.read(node, _SERVICE, _CipheredService(_general(general)), start)

    def write(self, out: Out, node: Node) -> None:
        """Write header, key-info and content."""
        head, content = _apart(node, _SERVICE)
        front = out.apart()
        _CIPHERING_HEAD.write(front, head)
        general = decode_general_ciphering(bytes((GENERAL_CIPHERING, *front.octets, 0)))
        out.octets += front.octets
        _CipheredService(_general(general)).write(out, content)


def _general(general: GeneralCiphering) -> Envelope:
    header = general.header
    return Envelope(None, (header.originator,) if header.originator else (), False, header.encode(), general)


class GeneralSigningKind:
    """general-signing: who to whom, an APDU, and the signature over both."""

    _content = Part("Content", Exactly(APDU))
    _signature = Part("Signature", Octets())

    def read(self, walk: Walk, at: int, node: Node) -> int:
        """Read all of it and check the signature, if the signer's public key is known."""
        place = _SIGNING_HEAD.read(walk, at, node)
        for part in (self._content, self._signature):
            place = walk.read(node, part.name, part.kind, place)
        self._check(walk, node, bytes((GENERAL_SIGNING,)) + walk.octets[at:place])
        return place

    def _check(self, walk: Walk, node: Node, apdu: bytes) -> None:
        signature = node.find("Signature")
        keyring = walk.context.keyring
        assert signature is not None
        signed = decode_general_signing(apdu)
        known = [keys.pairs.peer_signing for keys in keyring.candidates(signed.header.originator)]
        publics = [key for key in known if key]
        if not publics:
            signature.meaning = "no public key given"
            return
        for key in publics:
            suite = next((suite for suite in (Suite.ONE, Suite.TWO) if 2 * suite.coordinate_size == len(key)), None)
            try:
                if suite is not None:
                    check_signature(suite, key, signed.signature, signed.signed)
                    signature.meaning = "right"
                    return
            except DlmsError:
                continue
        signature.meaning = "does not match"
        walk.context.problems.append(TagCheckFailed("the signature does not match", offset=signature.offset))

    def write(self, out: Out, node: Node) -> None:
        """Write it; the signature stays as it was."""
        parts = [self._content, self._signature]
        Sequence(*_HEADER, *parts).write(out, node)


def _two(node: Node, *names: str) -> tuple[Node, ...]:
    parts = {item.name: item for item in node.parts}
    if len(node.parts) != len(names) or set(parts) != set(names):
        raise Malformed(f"{node.name} is made of {' and '.join(names)}")
    return tuple(parts[name] for name in names)


def _apart(node: Node, name: str) -> tuple[Node, Node]:
    """The node without one of its parts, and that part."""
    found = [item for item in node.parts if item.name == name]
    if len(found) != 1:
        raise Malformed(f"{node.name} lacks {name}")
    return Node(node.name, items=[item for item in node.parts if item is not found[0]]), found[0]


def _ciphered(prefix: str, tag: int, *, dedicated: bool) -> Part:
    kind: Kind = ServiceCiphering(tag, dedicated=dedicated)
    return Part(prefix + known_apdus()[tag], kind)


def ciphered() -> dict[int, Part]:
    """The protected APDUs by tag; the plain ones must be entered already."""
    return {
        **{sealed: _ciphered("Glo", plain, dedicated=False) for plain, sealed in GLO_OF.items()},
        **{sealed: _ciphered("Ded", plain, dedicated=True) for plain, sealed in DED_OF.items()},
        GENERAL_GLO: Part("GeneralGloCiphering", GeneralGlo(dedicated=False)),
        GENERAL_DED: Part("GeneralDedCiphering", GeneralGlo(dedicated=True)),
        GENERAL_CIPHERING: Part("GeneralCiphering", GeneralCipheringKind()),
        GENERAL_SIGNING: Part("GeneralSigning", GeneralSigningKind()),
    }
