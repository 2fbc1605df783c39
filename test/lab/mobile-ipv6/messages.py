#!/usr/bin/python3
"""Packets of Mobile IPv6 that nobody should believe, and the messages of return routability.

messages.py update HOME CARE_OF AGENT [SOURCE]: a Binding Update in clear, with a Home Address option, from CARE_OF or from SOURCE.
messages.py again DEV WHAT AGENT [SOURCE]: waits for a packet on DEV to AGENT, WHAT being "signalling" (ESP behind destination
options) or "payload" (ESP alone), and sends it a second time, from SOURCE if that is given. Prints "sent".
messages.py send SOURCE DESTINATION TYPE: a Home Test Init (1) or a Home Test (3) from SOURCE.
messages.py register HOME AGENT SEQUENCE [MARK]: a Binding Update that ends the binding 2, for the kernel to protect.
messages.py wait TYPE: prints "ready", then "came FROM" for the first Mobility Header of this type that comes in; of a Binding
Acknowledgement (6) also "status STATUS sequence SEQUENCE"."""
import socket
import struct
import sys

ESP, DSTOPTS, MOBILITY, NONE = 50, 60, 135, 59
HOME_TEST_INIT, ACKNOWLEDGEMENT = 1, 6
ETH_P_IPV6 = 0x86DD


def pack(address):
    return socket.inet_pton(socket.AF_INET6, address)


def checksum(source, destination, header):
    total = 0
    for octets in (source + destination + struct.pack('!II', len(header), MOBILITY), header):
        total += sum(struct.unpack(f'!{len(octets) // 2}H', octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send_whole(packet, destination):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.sendto(packet, (destination, 0))


def update(home, care_of, agent, source=None):
    flags, lifetime = 0xC000, 100
    header = bytearray(struct.pack('!BBBBHHHH', NONE, 1, 5, 0, 0, 7, flags, lifetime) + b'\x01\x02\x00\x00')
    struct.pack_into('!H', header, 4, checksum(pack(home), pack(agent), bytes(header)))
    option = struct.pack('!BB', MOBILITY, 2) + b'\x01\x02\x00\x00' + b'\xc9\x10' + pack(home)
    body = option + bytes(header)
    send_whole(struct.pack('!IHBB', 6 << 28, len(body), DSTOPTS, 64) + pack(source or care_of) + pack(agent) + body, agent)


def again(dev, what, agent, source=None):
    wanted = DSTOPTS if what == 'signalling' else ESP
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6))
    sock.bind((dev, ETH_P_IPV6))
    print('ready', flush=True)
    while True:
        packet = bytearray(sock.recv(4096))
        if packet[6] == wanted and packet[24:40] == pack(agent):
            break
    if source:
        packet[8:24] = pack(source)
    packet[7] = 64
    send_whole(bytes(packet), agent)
    print('sent', flush=True)


def send(home, correspondent, kind):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MOBILITY)
    sock.bind((home, 0))
    rest = b'cookie01' if int(kind) == HOME_TEST_INIT else b'cookie01token001'
    body = struct.pack('!BBBBHH', NONE, len(rest) // 8, int(kind), 0, 0, 0) + rest
    sock.sendto(body, (correspondent, 0))


def register(home, agent, sequence, mark='0'):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MOBILITY)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark, 0))
    sock.bind((home, 0))
    flags, lifetime = 0xC000, 0
    option = struct.pack('!BBHBB', 35, 4, 2, 0, 1)  # binding identifier 2, priority 1
    body = struct.pack('!BBBBHHHH', NONE, 2, 5, 0, 0, int(sequence) % 65536, flags, lifetime) + option + b'\x01\x04' + bytes(4)
    sock.sendto(body, (agent, 0))


def wait(kind):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MOBILITY)
    print('ready', flush=True)
    while True:
        header, sender = sock.recvfrom(2048)
        if header[2] == int(kind):
            told = f' status {header[6]} sequence {header[8] << 8 | header[9]}' if header[2] == ACKNOWLEDGEMENT else ''
            print(f'came {sender[0]}{told}', flush=True)
            return


{'update': update, 'again': again, 'send': send, 'register': register, 'wait': wait}[sys.argv[1]](*sys.argv[2:])
