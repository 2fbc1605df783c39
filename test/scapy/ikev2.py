"""An IKEv2 peer for tests, written from the RFC texts: RFC 7296, RFC 5282 (AES-GCM in the SK payload) and RFC 8031 (X25519).

One suite: AES-GCM-16-256, PRF-HMAC-SHA2-256 and X25519 for IKE, AES-GCM-16-256 without extended sequence numbers for ESP;
authentication by a shared key. A message is a list of payloads, each a Scapy packet: Scapy's own where its form is
that of the RFC, ours where Scapy 2.5 leaves parts of it out. Nothing is sent behind a test's back but retransmissions
and the same answer to the same request."""
import hashlib
import hmac
import os
import select
import socket
import time
from collections import deque, namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scapy.contrib.ikev2 import (IKEv2, IKEv2_payload as Unknown, IKEv2_payload_AUTH as Auth, IKEv2_payload_KE as KeyExchange,
                                 IKEv2_payload_Nonce as Nonce, IKEv2_payload_Proposal as Proposal, IKEv2_payload_SA as Sa,
                                 IKEv2_payload_Transform as Transform, IKEv2_payload_TSi as TSi, IKEv2_payload_TSr as TSr,
                                 IPv4TrafficSelector)
from scapy.fields import (ByteField, FieldLenField, PacketListField, ShortField, StrLenField, X3BytesField)
from scapy.packet import Packet

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
IKE, ESP = 1, 3  # protocols
INITIATOR, RESPONSE = 0x08, 0x20  # flags of the header

# Notify types, RFC 7296 3.10.1.
INVALID_SYNTAX, NO_PROPOSAL_CHOSEN, INVALID_KE_PAYLOAD, NO_ADDITIONAL_SAS = 7, 14, 17, 35
TEMPORARY_FAILURE, CHILD_SA_NOT_FOUND = 43, 44
INITIAL_CONTACT, REKEY_SA, CHILDLESS_IKEV2_SUPPORTED = 16384, 16393, 16418  # the last: RFC 6023 4

ENCRYPTION, PRF, GROUP, ESN = 1, 2, 4, 5  # types of transforms
AES_GCM_16, HMAC_SHA2_256, X25519, NO_ESN = 20, 5, 31, 0
IKE_SUITE = ((ENCRYPTION, AES_GCM_16), (PRF, HMAC_SHA2_256), (GROUP, X25519))
ESP_SUITE = ((ENCRYPTION, AES_GCM_16), (ESN, NO_ESN))
KEY_BITS = 256
SALT, IV, ICV = 4, 8, 16  # octets
KEY = KEY_BITS // 8 + SALT
PRF_SIZE = 32

PATIENCE = 30  # seconds that an answer may take
RETRANSMIT = 2


class Failure(Exception):
    """What the other side did wrong."""


def require(condition, sentence):
    if not condition:
        raise Failure(sentence)


# Payloads.

class Notify(Packet):
    fields_desc = [ByteField('next_payload', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'load', 'H', adjust=lambda p, n: n + 8 + len(p.SPI)),
                   ByteField('proto', 0), FieldLenField('SPIsize', None, 'SPI', 'B'), ShortField('type', 0),
                   StrLenField('SPI', b'', length_from=lambda p: p.SPIsize),
                   StrLenField('load', b'', length_from=lambda p: p.length - 8 - p.SPIsize)]


class Delete(Packet):
    fields_desc = [ByteField('next_payload', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'SPIs', 'H', adjust=lambda p, n: n + 8),
                   ByteField('proto', IKE), ByteField('SPIsize', 0), ShortField('count', 0),
                   StrLenField('SPIs', b'', length_from=lambda p: p.length - 8)]


class Identification(Packet):
    fields_desc = [ByteField('next_payload', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'ID', 'H', adjust=lambda p, n: n + 8),
                   ByteField('IDtype', 2), X3BytesField('res2', 0),  # 2: a name of the DNS
                   StrLenField('ID', b'', length_from=lambda p: p.length - 8)]


class IDi(Identification):
    pass


class IDr(Identification):
    pass


class VendorId(Packet):
    fields_desc = [ByteField('next_payload', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'load', 'H', adjust=lambda p, n: n + 4),
                   StrLenField('load', b'', length_from=lambda p: p.length - 4)]


class Attribute(Packet):
    fields_desc = [ShortField('type', 1), FieldLenField('length', None, 'value', 'H'),
                   StrLenField('value', b'', length_from=lambda p: p.length)]

    def extract_padding(self, rest):
        return b'', rest


class Configuration(Packet):
    fields_desc = [ByteField('next_payload', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'attributes', 'H', adjust=lambda p, n: n + 8),
                   ByteField('CFGType', 1), X3BytesField('res2', 0),
                   PacketListField('attributes', [], Attribute, length_from=lambda p: p.length - 8)]


ENCRYPTED = 46
PAYLOADS = {33: Sa, 34: KeyExchange, 35: IDi, 36: IDr, 39: Auth, 40: Nonce, 41: Notify, 42: Delete, 43: VendorId, 44: TSi,
            45: TSr, 47: Configuration}
TYPES = {kind: number for number, kind in PAYLOADS.items()}


def chained(payloads):
    """The type of the first payload, and the octets of all."""
    octets, following = b'', 0
    for payload in reversed(payloads):
        payload = payload.copy()
        payload.next_payload = following
        octets, following = bytes(payload) + octets, TYPES[type(payload)]
    return following, octets


def unchained(kind, octets):
    payloads = []
    while kind:
        require(len(octets) >= 4, 'a payload is cut off')
        size = int.from_bytes(octets[2:4], 'big')
        require(4 <= size <= len(octets), f'a payload of {size} octets, and {len(octets)} are left')
        payloads.append(PAYLOADS.get(kind, Unknown)(octets[:size]))
        kind, octets = octets[0], octets[size:]
    require(not octets, f'{len(octets)} octets behind the last payload')
    return payloads


class Message:
    """One that came: `sa` is the IKE SA, None in IKE_SA_INIT; `octets` the datagram."""

    def __init__(self, octets, header, payloads, sa=None):
        self.octets, self.sa, self.payloads = octets, sa, payloads
        self.exchange, self.id = header.exch_type, header.id
        self.spi_i, self.spi_r = header.init_SPI, header.resp_SPI
        self.response = bool(int(header.flags) & RESPONSE)

    def __str__(self):
        names = [f'N({p.type})' if isinstance(p, Notify) else type(p).__name__.removeprefix('IKEv2_payload_')
                 for p in self.payloads]
        return f'exchange {self.exchange} {"answer" if self.response else "request"} {self.id}: {" ".join(names) or "empty"}'

    def kinds(self):
        return [type(payload) for payload in self.payloads]

    def one(self, kind):
        found = [payload for payload in self.payloads if isinstance(payload, kind)]
        require(len(found) == 1, f'{len(found)} payloads {kind.__name__} instead of one in {self}')
        return found[0]

    def notify(self, number):
        return next((p for p in self.payloads if isinstance(p, Notify) and p.type == number), None)

    def vendors(self):
        return [payload.load for payload in self.payloads if isinstance(payload, VendorId)]

    def notifies(self):
        return [payload.type for payload in self.payloads if isinstance(payload, Notify)]


# Proposals, RFC 7296 3.3.

def transform(kind, number):
    # Transform ID, and the attribute "key length" where the cipher needs it.
    return (Transform(transform_type=kind, transform_id=number, length=12, key_length=KEY_BITS) if kind == ENCRYPTION
            else Transform(transform_type=kind, transform_id=number))


def stacked(packets):
    first, *others = packets
    for packet in others:
        first = first / packet
    return first


def offer(protocol, spi, suite, number=1):
    return Sa(prop=Proposal(proposal=number, proto=protocol, SPIsize=len(spi), SPI=spi, trans_nb=len(suite),
                            trans=stacked([transform(*each) for each in suite])))


def layers(packet, kind):
    while isinstance(packet, kind):
        yield packet
        packet = packet.payload


def transforms(proposal):
    """Pairs of type and number; a cipher with a key of another length than ours has the number None."""
    for each in layers(proposal.trans, Transform):
        wrong = each.transform_type == ENCRYPTION and (each.length != 12 or each.key_length & 0xffff != KEY_BITS)
        yield each.transform_type, None if wrong else each.transform_id


def accept(sa, protocol, suite, spi):
    """The SPI of the other side, and the answer to its offer; types that the suite has not must be absent or admit none."""
    for proposal in layers(sa.prop, Proposal):
        offered = set(transforms(proposal))
        optional = {kind for kind, _ in offered} - {kind for kind, _ in suite}
        if proposal.proto == protocol and offered.issuperset(suite) and all((kind, 0) in offered for kind in optional):
            return proposal.SPI, offer(protocol, spi, suite, proposal.proposal)
    raise Failure('our suite is not among what is offered')


def accepted(sa, protocol, suite, spi_size):
    """The SPI of the other side, out of its answer to our offer."""
    proposals = list(layers(sa.prop, Proposal))
    require(len(proposals) == 1, f'{len(proposals)} proposals in an answer')
    require(proposals[0].proto == protocol, f'the answer is for protocol {proposals[0].proto}')
    require(sorted(transforms(proposals[0])) == sorted(suite), 'the answer has other transforms than the offer')
    require(len(proposals[0].SPI) == spi_size, f'an SPI of {len(proposals[0].SPI)} octets')
    require(spi_size == 0 or any(proposals[0].SPI), 'an SPI of zero')
    return proposals[0].SPI


# Keys, RFC 7296 2.13 to 2.18.

def prf(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def prf_plus(key, seed, size):
    out = block = b''
    count = 0
    while len(out) < size:
        count += 1
        block = prf(key, block + seed + bytes([count]))
        out += block
    return out[:size]


def split(octets, *sizes):
    out = []
    for size in sizes:
        out.append(octets[:size])
        octets = octets[size:]
    return out


class Keys:
    def __init__(self, skeyseed, nonces, spis):
        self.d, self.ei, self.er, self.pi, self.pr = split(prf_plus(skeyseed, nonces + spis, 3 * PRF_SIZE + 2 * KEY),
                                                           PRF_SIZE, KEY, KEY, PRF_SIZE, PRF_SIZE)


class Half:
    """What one side puts into a key exchange: a private key, a nonce, an SPI."""

    def __init__(self, spi_size):
        self.key = X25519PrivateKey.generate()
        self.nonce = os.urandom(32)
        self.spi = os.urandom(spi_size)

    def payloads(self):
        return [Nonce(load=self.nonce), self.ke()]

    def ke(self):
        return KeyExchange(group=X25519, load=self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def agree(self, message):
        ke = message.one(KeyExchange)
        require(ke.group == X25519, f'a key exchange of group {ke.group}')
        return self.key.exchange(X25519PublicKey.from_public_bytes(ke.load))


Child = namedtuple('Child', 'spi_in spi_out key_in key_out tsi tsr')


def child(sa, spi_in, spi_out, nonces, initiator, message):
    """RFC 7296 2.17: the keys of what goes from initiator to responder come first."""
    first, second = split(prf_plus(sa.keys.d, nonces, 2 * KEY), KEY, KEY)
    key_in, key_out = (second, first) if initiator else (first, second)
    return Child(spi_in, spi_out, key_in, key_out, message.one(TSi).traffic_selector, message.one(TSr).traffic_selector)


def everything():
    return [IPv4TrafficSelector(IP_protocol_ID=0, starting_address_v4='0.0.0.0', ending_address_v4='255.255.255.255')]


class IkeSa:
    """One end of an IKE SA. `initiator`: whether it is that of who began it."""

    def __init__(self, spi_i, spi_r, initiator, keys, next_id=0):
        self.spi_i, self.spi_r, self.initiator, self.keys = spi_i, spi_r, initiator, keys
        self.next_id = next_id  # of our next request
        self.expected_id = 0 if initiator else next_id  # of theirs
        self.answers = {}  # what we have answered, by message ID
        self.ivs = 0

    def own_spi(self):
        return self.spi_i if self.initiator else self.spi_r

    def seal(self, exchange, message_id, response, payloads):
        """RFC 7296 3.14 with an AEAD (RFC 5282): what is authenticated besides reaches up to the IV."""
        key = self.keys.ei if self.initiator else self.keys.er
        first, inner = chained(payloads)
        inner += b'\0'  # no padding
        size = 4 + IV + len(inner) + ICV
        header = IKEv2(init_SPI=self.spi_i, resp_SPI=self.spi_r, next_payload=ENCRYPTED, exch_type=exchange, id=message_id,
                       flags=(INITIATOR if self.initiator else 0) | (RESPONSE if response else 0), length=28 + size)
        ahead = bytes(header) + bytes([first, 0]) + size.to_bytes(2, 'big')
        self.ivs += 1
        iv = self.ivs.to_bytes(IV, 'big')
        return ahead + iv + AESGCM(key[:-SALT]).encrypt(key[-SALT:] + iv, inner, ahead)

    def open(self, octets):
        key = self.keys.er if self.initiator else self.keys.ei
        header = IKEv2(octets)
        from_initiator = bool(int(header.flags) & INITIATOR)
        require(header.next_payload == ENCRYPTED, f'payload {header.next_payload} instead of an encrypted one')
        require(from_initiator != self.initiator, 'the flag Initiator is wrong')
        require((header.init_SPI, header.resp_SPI) == (self.spi_i, self.spi_r), 'the SPIs are of another IKE SA')
        require(header.length == len(octets) == 28 + int.from_bytes(octets[30:32], 'big'), 'the lengths do not agree')
        ahead, iv, rest = split(octets, 32, IV, len(octets))
        try:
            inner = AESGCM(key[:-SALT]).decrypt(key[-SALT:] + iv, rest, ahead)
        except InvalidTag:
            raise Failure('a message has not the keys of its IKE SA') from None
        return Message(octets, header, unchained(ahead[28], inner[:-1 - inner[-1]]), self)


def auth(secret, first_message, nonce, key_p, identification):
    """RFC 7296 2.15, with a shared key."""
    signed = first_message + nonce + prf(key_p, bytes(identification)[4:])
    return prf(prf(secret, b'Key Pad for IKEv2'), signed)


class Peer:
    """A UDP socket with IKE SAs. `address` is the other side's, `host` our own."""

    def __init__(self, address=None, host='127.0.0.1'):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.address = address
        self.sas = {}  # by our SPI
        self.plain = deque()  # messages of IKE_SA_INIT that came
        self.requests = deque()  # others
        self.repeats = deque()  # those that came again before they were answered
        self.answers = {}  # by our SPI and message ID

    def add(self, sa):
        self.sas[sa.own_spi()] = sa
        return sa

    def close(self):
        self.socket.close()

    # Messages.

    def send(self, octets):
        self.socket.sendto(octets, self.address)

    def receive(self, seconds):
        """Takes one datagram; whether there was one."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return False
        octets, self.address = self.socket.recvfrom(65535)
        header = IKEv2(octets[:28])
        if header.exch_type == IKE_SA_INIT:
            self.plain.append(Message(octets, header, unchained(header.next_payload, octets[28:])))
            return True
        theirs = int(header.flags) & INITIATOR
        sa = self.sas.get(header.resp_SPI if theirs else header.init_SPI)
        require(sa, f'a message for an IKE SA that is not there, exchange {header.exch_type}')
        message = sa.open(octets)
        if message.response:
            self.answers[sa.own_spi(), message.id] = message
        elif message.id in sa.answers:
            self.send(sa.answers[message.id])
        elif message.id == sa.expected_id:
            sa.expected_id += 1
            self.requests.append(message)
        else:
            require(message.id < sa.expected_id, f'a request with message ID {message.id} where {sa.expected_id} is next')
            self.repeats.append(message)
        return True

    def post(self, sa, exchange, *payloads):
        """Sends a request and does not wait: what await_answer() needs."""
        octets = sa.seal(exchange, sa.next_id, False, payloads)
        sa.next_id += 1
        self.send(octets)
        return sa, sa.next_id - 1, octets

    def await_answer(self, posted):
        sa, message_id, octets = posted
        found = self.wait(lambda: self.answers.pop((sa.own_spi(), message_id), None), octets)
        require(found, f'no answer to request {message_id}')
        return found

    def request(self, sa, exchange, *payloads):
        return self.await_answer(self.post(sa, exchange, *payloads))

    def wait(self, what, again=None, seconds=PATIENCE):
        """Until `what` gives something; `again` is sent again meanwhile."""
        end = time.monotonic() + seconds
        due = time.monotonic() + RETRANSMIT
        while True:
            found = what()
            if found or time.monotonic() >= end:
                return found
            self.receive(min(due, end) - time.monotonic())
            if again and time.monotonic() >= due:
                self.send(again)
                due = time.monotonic() + RETRANSMIT

    def await_request(self):
        found = self.wait(lambda: self.requests and self.requests.popleft())
        require(found, 'no request comes')
        return found

    def answer(self, request, *payloads):
        octets = request.sa.seal(request.exchange, request.id, True, payloads)
        request.sa.answers[request.id] = octets
        self.send(octets)

    def silence(self, seconds=0.5):
        """Requires that no new request comes."""
        found = self.wait(lambda: self.requests and self.requests[0], seconds=seconds)
        require(not found, f'a request that nobody expects: {found}')

    def alive(self, sa):
        """Requires that the other side answers on this IKE SA."""
        answer = self.request(sa, INFORMATIONAL)
        require(answer.exchange == INFORMATIONAL and not answer.payloads, f'an empty request is answered by {answer}')

    # IKE SAs.

    def login(self, identity, remote, secret, notifies=(), tell=(), childless=False):
        """As initiator, with a Child SA for an address of the gateway's, or without one (RFC 6023). Keeps the answers in
        first_answer and auth_answer, and the Child SA in child. `tell` are further payloads for IKE_SA_INIT."""
        half, spi_in = Half(8), os.urandom(4)
        header = IKEv2(init_SPI=half.spi, resp_SPI=bytes(8), exch_type=IKE_SA_INIT, flags=INITIATOR)
        header.next_payload, inner = chained([offer(IKE, b'', IKE_SUITE), half.ke(), Nonce(load=half.nonce), *tell])
        header.length = 28 + len(inner)
        first = bytes(header) + inner
        self.send(first)
        answer = self.first_answer = self.wait(lambda: self.plain and self.plain.popleft(), first)
        require(answer, 'no answer to IKE_SA_INIT')
        accepted(answer.one(Sa), IKE, IKE_SUITE, 0)
        nonces = half.nonce + answer.one(Nonce).load
        spis = half.spi + answer.spi_r
        keys = Keys(prf(nonces, half.agree(answer)), nonces, spis)
        sa = self.add(IkeSa(half.spi, answer.spi_r, True, keys, next_id=1))
        idi = IDi(ID=identity)
        child_payloads = [Configuration(CFGType=1, attributes=[Attribute(type=1)]),  # INTERNAL_IP4_ADDRESS
                          offer(ESP, spi_in, ESP_SUITE), TSi(traffic_selector=everything()), TSr(traffic_selector=everything())]
        if childless:
            empty = answer.notify(CHILDLESS_IKEV2_SUPPORTED)
            require(empty and not empty.load, 'the other side does nothing without a Child SA')
            child_payloads = []
        first_nonce = answer.one(Nonce).load
        answer = self.auth_answer = self.request(
            sa, IKE_AUTH, idi, IDr(ID=remote),
            Auth(auth_type=2, load=auth(secret, first, first_nonce, keys.pi, idi)), *child_payloads, *notifies)
        idr = answer.one(IDr)
        require(idr.ID == remote, f'the other side is {idr.ID}')
        require(answer.one(Auth).load == auth(secret, self.first_answer.octets, half.nonce, keys.pr, idr),
                'AUTH is wrong')
        if childless:
            require(Sa not in answer.kinds(), f'there is a Child SA in {answer}')
        else:
            self.child = child(sa, spi_in, accepted(answer.one(Sa), ESP, ESP_SUITE, 4), nonces, True, answer)
        return sa

    def accept_login(self, identity, secret, notifies=(), address=b'\x0a\x4d\0\x07', tell=(), childless=False):
        """As responder, a gateway that gives out this address. Keeps the requests in first_request and auth_request. `tell`
        and
        `childless` as in login()."""
        half, spi_in = Half(8), os.urandom(4)
        first = self.first_request = self.wait(lambda: self.plain and self.plain.popleft())
        require(first, 'no IKE_SA_INIT comes')
        _, answer = accept(first.one(Sa), IKE, IKE_SUITE, b'')
        nonces = first.one(Nonce).load + half.nonce
        keys = Keys(prf(nonces, half.agree(first)), nonces, first.spi_i + half.spi)
        header = IKEv2(init_SPI=first.spi_i, resp_SPI=half.spi, exch_type=IKE_SA_INIT, flags=RESPONSE)
        header.next_payload, inner = chained([answer, half.ke(), Nonce(load=half.nonce), *tell,
                                                *([Notify(type=CHILDLESS_IKEV2_SUPPORTED)] if childless else [])])
        header.length = 28 + len(inner)
        second = bytes(header) + inner
        sa = self.add(IkeSa(first.spi_i, half.spi, False, keys))
        sa.expected_id = 1
        self.send(second)
        request = self.auth_request = self.await_request()
        require(request.exchange == IKE_AUTH, f'{request} instead of IKE_AUTH')
        require(request.one(Auth).load == auth(secret, first.octets, half.nonce, keys.pi, request.one(IDi)), 'AUTH is wrong')
        idr = IDr(ID=identity)
        proof = [idr, Auth(auth_type=2, load=auth(secret, second, first.one(Nonce).load, keys.pr, idr))]
        if childless:
            require(Sa not in request.kinds(), f'there is a Child SA in {request}')
            self.answer(request, *proof, *notifies)
            return sa
        spi_out, answer = accept(request.one(Sa), ESP, ESP_SUITE, spi_in)
        inner = '.'.join(map(str, address))
        tsi = IPv4TrafficSelector(IP_protocol_ID=0, starting_address_v4=inner, ending_address_v4=inner)
        payloads = [*proof, Configuration(CFGType=2, attributes=[Attribute(type=1, value=address)]),
                    answer, TSi(traffic_selector=[tsi]), TSr(traffic_selector=everything()), *notifies]
        self.answer(request, *payloads)
        keyed = Message(second, IKEv2(second[:28]), payloads)
        self.child = child(sa, spi_in, spi_out, nonces, False, keyed)
        return sa

    # CREATE_CHILD_SA, RFC 7296 1.3.

    def ask_ike(self, sa, *notifies):
        """Posts a request for a new IKE SA: what take_ike() needs."""
        half = Half(8)
        return half, self.post(sa, CREATE_CHILD_SA, *notifies, offer(IKE, half.spi, IKE_SUITE), *half.payloads())

    def take_ike(self, asked):
        """The new IKE SA, and the answer that made it."""
        half, posted = asked
        answer = self.await_answer(posted)
        spi = accepted(answer.one(Sa), IKE, IKE_SUITE, 8)
        keys = new_keys(posted[0], half, answer, half.nonce + answer.one(Nonce).load, half.spi + spi)
        return self.add(IkeSa(half.spi, spi, True, keys)), answer

    def give_ike(self, request, *notifies):
        """Answers a request for a new IKE SA."""
        half = Half(8)
        spi, answer = accept(request.one(Sa), IKE, IKE_SUITE, half.spi)
        require(len(spi) == 8 and any(spi), 'no SPI for the new IKE SA')
        keys = new_keys(request.sa, half, request, request.one(Nonce).load + half.nonce, spi + half.spi)
        sa = self.add(IkeSa(spi, half.spi, False, keys))
        self.answer(request, answer, *half.payloads(), *notifies)
        return sa

    def create_child(self, sa, *notifies, tsi=None, tsr=None):
        """A new Child SA, and the answer that made it; without a Child SA where it is refused."""
        nonce, spi_in = os.urandom(32), os.urandom(4)
        answer = self.request(sa, CREATE_CHILD_SA, *notifies, offer(ESP, spi_in, ESP_SUITE), Nonce(load=nonce),
                              TSi(traffic_selector=tsi or everything()), TSr(traffic_selector=tsr or everything()))
        if Sa not in answer.kinds():
            return None, answer
        spi_out = accepted(answer.one(Sa), ESP, ESP_SUITE, 4)
        return child(sa, spi_in, spi_out, nonce + answer.one(Nonce).load, True, answer), answer

    def delete(self, sa):
        """Ends an IKE SA."""
        answer = self.request(sa, INFORMATIONAL, Delete())
        require(not answer.payloads, f'the end of an IKE SA is answered by {answer}')
        del self.sas[sa.own_spi()]


def new_keys(old, half, message, nonces, spis):
    """RFC 7296 2.18: from SK_d of the old IKE SA."""
    return Keys(prf(old.keys.d, half.agree(message) + nonces), nonces, spis)
