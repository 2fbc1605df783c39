#!/usr/bin/python3
"""Sends captured packets of ESP again.

replay.py DEV CAPTURE SOURCE DESTINATION [AS]: the last five from SOURCE to DESTINATION in the CAPTURE (of an Ethernet) once
more out of DEV, as if AS had sent them if that is given; prints "sent N, spi S, sequence FIRST to LAST".
ESP authenticates nothing of the header before it, so AS costs no more than a checksum."""
import ipaddress
import socket
import struct
import sys

ETHERNET, IPV4, IPV6, ESP = 14, 0x0800, 0x86dd, 50
LAST = 5


def frames(path):
    with open(path, 'rb') as capture:
        data = capture.read()
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from(order + 'I', data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def parts(frame):
    """Where source, destination and ESP begin, and how long an address is; None for what is no ESP."""
    kind = struct.unpack_from('!H', frame, 12)[0]
    if kind == IPV4 and frame[ETHERNET + 9] == ESP:
        return ETHERNET + 12, ETHERNET + 16, ETHERNET + 4 * (frame[ETHERNET] & 15), 4
    if kind == IPV6 and frame[ETHERNET + 6] == ESP:
        return ETHERNET + 8, ETHERNET + 24, ETHERNET + 40, 16
    return None


def resourced(frame, source):
    at, _, esp, length = parts(frame)
    out = bytearray(frame)
    out[at:at + length] = source
    if length == 4:
        out[ETHERNET + 10:ETHERNET + 12] = bytes(2)
        total = sum(struct.unpack_from(f'!{(esp - ETHERNET) // 2}H', out, ETHERNET))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        struct.pack_into('!H', out, ETHERNET + 10, ~total & 0xffff)
    return bytes(out)


def main():
    dev, capture, *addresses = sys.argv[1:]
    source, destination, *other = [ipaddress.ip_address(text).packed for text in addresses]
    found = []
    for frame in frames(capture):
        at = parts(frame)
        if at and frame[at[0]:at[0] + at[3]] == source and frame[at[1]:at[1] + at[3]] == destination:
            found.append(frame)
    if len(found) < LAST:
        sys.exit(f'{len(found)} packets only from {addresses[0]} to {addresses[1]} in {capture}')
    found = found[-LAST:]
    numbers = [struct.unpack_from('!II', frame, parts(frame)[2]) for frame in found]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((dev, 0))
    for frame in found:
        sock.send(resourced(frame, other[0]) if other else frame)
    print(f'sent {len(found)}, spi {numbers[0][0]:#010x}, sequence {numbers[0][1]} to {numbers[-1][1]}')


main()
