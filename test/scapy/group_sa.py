"""The messages of multi-point SAs, written from the text of draft-yamaya-ipsecme-mpsa-00 and RFC 7296: the Vendor ID, the
notification MPSA_PUT both ways, and the keys. Where the draft contradicts itself (docs/design.md tells how), what is
built is chosen by who builds it, and what is read must be as its tables have it."""
import hashlib
import hmac
import os
from collections import namedtuple

from ikev2 import ENCRYPTION, ESP, PRF, Notify, require, split
from scapy.fields import ByteField, FieldLenField, PacketListField, ShortField, StrLenField
from scapy.packet import Packet

VENDOR_ID = b'multi-point SA'  # 3.2.1
MPSA_PUT = 40960  # 3.2.2
INTEGRITY, NONCE, SK_D, LIFE, ROLL1, ROLL2 = 3, 241, 242, 243, 244, 245  # types of transforms, besides ENCRYPTION and PRF
VALUES = {NONCE: 16384, SK_D: 16385, LIFE: 16386, ROLL1: 16387, ROLL2: 16388}  # their attributes
KEY_LENGTH = 0x8000 | 14  # RFC 7296 3.3.5
AES_CBC, HMAC_SHA1, HMAC_SHA2_256, HMAC_SHA1_96, HMAC_SHA2_256_128 = 12, 2, 5, 2, 12
PRFS = {2: hashlib.sha1, 5: hashlib.sha256, 6: hashlib.sha384, 7: hashlib.sha512}
INTEGRITY_KEYS = {2: 20, 12: 32, 13: 48, 14: 64}  # octets, RFC 2404 and RFC 4868


class PutTransform(Packet):
    fields_desc = [ByteField('mark', 3), ByteField('res', 0),
                   FieldLenField('length', None, 'attributes', 'H', adjust=lambda p, n: n + 8),
                   ByteField('kind', 0), ByteField('res2', 0), ShortField('id', 1),
                   StrLenField('attributes', b'', length_from=lambda p: p.length - 8)]

    def extract_padding(self, rest):
        return b'', rest


class PutProposal(Packet):
    fields_desc = [ByteField('mark', 0), ByteField('res', 0),
                   FieldLenField('length', None, 'transforms', 'H', adjust=lambda p, n: n + 8 + len(p.SPI)),
                   ByteField('number', 1), ByteField('proto', ESP), FieldLenField('SPIsize', None, 'SPI', 'B'),
                   FieldLenField('count', None, fmt='B', count_of='transforms'),
                   StrLenField('SPI', b'', length_from=lambda p: p.SPIsize),
                   PacketListField('transforms', [], PutTransform, count_from=lambda p: p.count)]


Shared = namedtuple('Shared', 'spi cipher bits prf integrity nonce sk_d life roll1 roll2')


def some(**changes):
    """A group SA as a gateway makes one."""
    fresh = Shared(b'\xf0' + os.urandom(3), AES_CBC, 256, HMAC_SHA2_256, HMAC_SHA2_256_128, os.urandom(32), os.urandom(32),
                   3600, 0, 0)
    return fresh._replace(**changes)


def tlv(number, value):
    return number.to_bytes(2, 'big') + len(value).to_bytes(2, 'big') + value


def value(kind, octets, number=None):
    return PutTransform(kind=kind, attributes=tlv(number or VALUES[kind], octets))


def seconds(kind, count, number=None):
    return value(kind, count.to_bytes(4, 'big'), number)


def choice(kind, number, bits=None):
    attributes = KEY_LENGTH.to_bytes(2, 'big') + bits.to_bytes(2, 'big') if bits else b''
    return PutTransform(kind=kind, id=number, attributes=attributes)


def transforms(sa):
    """In the order of the draft's example, with the last one marked as RFC 7296 3.3.2 has it."""
    all_ = [choice(ENCRYPTION, sa.cipher, sa.bits), choice(PRF, sa.prf), choice(INTEGRITY, sa.integrity), value(NONCE, sa.nonce),
            value(SK_D, sa.sk_d), seconds(LIFE, sa.life), seconds(ROLL1, sa.roll1), seconds(ROLL2, sa.roll2)]
    all_[-1].mark = 0
    return all_


def put(sa, parts=None, outer=None, after=b'', **proposal):
    """MPSA_PUT; what is named is other than in a good one: its transforms, the notification's SPI, what follows the
    proposal, fields of the proposal."""
    fields = {'SPI': sa.spi, 'transforms': transforms(sa) if parts is None else parts} | proposal
    return Notify(proto=ESP, SPI=sa.spi if outer is None else outer, type=MPSA_PUT, load=bytes(PutProposal(**fields)) + after)


def read_value(transform):
    attributes = transform.attributes
    require(transform.id == 1, f'transform {transform.kind} has the ID {transform.id}')
    require(len(attributes) >= 4, f'transform {transform.kind} has no value')
    number, size = int.from_bytes(attributes[:2], 'big'), int.from_bytes(attributes[2:4], 'big')
    require(number == VALUES[transform.kind], f'transform {transform.kind} has an attribute {number}')
    require(size == len(attributes) - 4, f'the attribute of transform {transform.kind} does not fill it')
    return attributes[4:]


def read_seconds(transform):
    octets = read_value(transform)
    require(len(octets) == 4, f'transform {transform.kind} has a time of {len(octets)} octets')
    return int.from_bytes(octets, 'big')


def read(notify):
    """What MPSA_PUT tells. It must be as the draft's tables and RFC 7296 3.3 have it, to the last bit."""
    require(notify.type == MPSA_PUT and notify.res == 0, 'no MPSA_PUT, or one that is marked critical')
    require(notify.proto == ESP and len(notify.SPI) == 4, 'the notification is not for an SPI of ESP')
    require(int.from_bytes(notify.SPI, 'big') >= 256, 'the SPI is a reserved one')  # RFC 4303 2.1
    proposal = PutProposal(notify.load)
    require(proposal.length == len(notify.load), 'the length of the proposal is not that of the data')
    require((proposal.mark, proposal.res, proposal.number, proposal.proto) == (0, 0, 1, ESP), 'the head of the proposal is wrong')
    require(proposal.SPI == notify.SPI, 'the two SPIs differ')
    all_ = proposal.transforms
    require(sum(8 + len(each.attributes) for each in all_) == proposal.length - 12, 'the transforms do not fill the proposal')
    require([each.mark for each in all_] == [3] * (len(all_) - 1) + [0], 'the marks of the last transform are wrong')
    require(not any(each.res or each.res2 for each in all_), 'a reserved field is not zero')
    by_kind = {each.kind: each for each in all_}
    require(sorted(by_kind) == [1, 2, 3, 241, 242, 243, 244, 245] and len(all_) == 8, 'not one transform of each type')
    cipher = by_kind[ENCRYPTION]
    number, bits = (int.from_bytes(each, 'big') for each in split(cipher.attributes, 2, 2))
    require(number == KEY_LENGTH and len(cipher.attributes) == 4, 'the cipher has not one key length')
    require(not (by_kind[PRF].attributes or by_kind[INTEGRITY].attributes), 'PRF or integrity has an attribute')
    sa = Shared(notify.SPI, cipher.id, bits, by_kind[PRF].id, by_kind[INTEGRITY].id, read_value(by_kind[NONCE]),
                read_value(by_kind[SK_D]), *[read_seconds(by_kind[kind]) for kind in (LIFE, ROLL1, ROLL2)])
    require(16 <= len(sa.nonce) <= 256, f'a nonce of {len(sa.nonce)} octets')
    require(len(sa.sk_d) == PRFS[sa.prf]().digest_size, f'an SK_d of {len(sa.sk_d)} octets for PRF {sa.prf}')
    require(sa.life > 0, 'a lifetime of zero')
    return sa


def keys(sa):
    """KEYMAT = prf+(SK_d, Nonce) (3.3.2), cut as for a Child SA (RFC 7296 2.17): the cipher's key, then that of integrity."""
    sizes = sa.bits // 8, INTEGRITY_KEYS[sa.integrity]
    out = block = b''
    count = 0
    while len(out) < sum(sizes):
        count += 1
        block = hmac.new(sa.sk_d, block + sa.nonce + bytes([count]), PRFS[sa.prf]).digest()
        out += block
    return split(out, *sizes)
