#!/usr/bin/python3
"""nameserver.py ADDRESS: answers each AAAA question with 2001:db8:9::80 and prints the name that was asked for."""
import socket
import struct
import sys

sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 53))
print('ready', flush=True)
while True:
    query, client = sock.recvfrom(4096)
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12:at + 5]
    kind = struct.unpack('!H', question[-4:-2])[0]
    print('asked', '.'.join(labels), kind, flush=True)
    answer = struct.pack('!HHHLH', 0xc00c, 28, 1, 60, 16) + socket.inet_pton(socket.AF_INET6, '2001:db8:9::80') if kind == 28 else b''
    sock.sendto(query[:2] + struct.pack('!HHHHH', 0x8580, 1, 1 if answer else 0, 0, 0) + question + answer, client)
