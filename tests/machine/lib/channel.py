"""The control channel itself (abi/control.h), through the socket on which commands reach a host: for requests that no command
would send.
"""

import socket
import struct

MAGIC, VERSION, REPLY = 0x464C4354, 1, 0x8000
HEADER = struct.Struct("<IHHIIiIII")

UPDATE_BEGIN, UPDATE_WRITE, UPDATE_CHECK, UPDATE_COMMIT = 30, 31, 32, 33


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Channel:
    """with Channel(host) as channel: status, payload = channel.ask(type, payload)"""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(host.directory / "control"))
        self.tag = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError("the host's end of the channel has closed")
            data += piece
        return data

    def ask(self, kind, payload=b""):
        self.tag += 1
        fields = [MAGIC, VERSION, kind, self.tag, len(payload), 0, 0, 0, 0]
        fields[-1] = crc32c(HEADER.pack(*fields) + payload)
        self.socket.sendall(HEADER.pack(*fields) + payload)
        while True:
            _, _, got, tag, length, status, *_ = HEADER.unpack(self._read(HEADER.size))
            answer = self._read(length)
            if (got, tag) == (kind | REPLY, self.tag):
                return status, answer
