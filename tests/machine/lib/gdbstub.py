"""QEMU's gdb stub from Python: stops the machine, reads and writes registers and physical memory, goes on."""

import socket
import struct
import time

from .steps import Failure, check

PC = 32
PIECE = 2048  # bytes of memory that one packet carries


class Machine:
    """The machine behind the socket at `path`. It stands still from the connection on, until resume()."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        self.buffer = b""
        self.running = False
        try:
            self.receive(2)  # that the machine has stopped, which it was not asked
        except Failure:
            pass
        self.ask("?")
        # Without that it takes single registers from nobody.
        self.ask("qXfer:features:read:target.xml:0,ff")
        answer = self.ask("Qqemu.PhyMemMode:1")
        check(answer == "OK", f"this QEMU does not give physical memory to a debugger: {answer}")

    def close(self):
        try:
            if not self.running:
                self.ask("D")
        finally:
            self.socket.close()

    # ---- Packets ----

    def send(self, text):
        data = text.encode("latin-1")
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xff))

    def receive(self, seconds=20):
        self.socket.settimeout(seconds)
        while True:
            begin = self.buffer.find(b"$")
            end = self.buffer.find(b"#", begin)
            if 0 <= begin < end and len(self.buffer) >= end + 3:
                packet = self.buffer[begin + 1:end]
                self.buffer = self.buffer[end + 3:]
                self.socket.sendall(b"+")
                return packet.decode("latin-1")
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                raise Failure(f"the debugger's end of QEMU said nothing for {seconds} s") from None
            if not more:
                raise Failure("QEMU has closed the debugger's connection")
            self.buffer += more

    def ask(self, text):
        self.send(text)
        answer = self.receive()
        if answer.startswith("E"):
            raise Failure(f"QEMU answers {text[:40]!r} with {answer}")
        return answer

    # ---- The machine ----

    def stop(self):
        if self.running:
            self.socket.sendall(b"\x03")
            self.receive()
            self.running = False

    def resume(self):
        if not self.running:
            self.send("c")
            self.running = True

    def wait_stop(self, seconds):
        """Until a breakpoint is met; the thread that met it."""
        stop = self.receive(seconds)
        self.running = False
        words = dict(word.split(":", 1) for word in stop[3:].split(";") if ":" in word)
        check("thread" in words, f"the machine stopped and did not say where: {stop}")
        return words["thread"]

    def breakpoint(self, address, there=True):
        check(self.ask(f"{'Z' if there else 'z'}1,{address:x},2") == "OK", f"no breakpoint at {address:#x}")

    def read(self, address, size):
        data = b""
        while len(data) < size:
            piece = min(PIECE, size - len(data))
            data += bytes.fromhex(self.ask(f"m{address + len(data):x},{piece:x}"))
        return data

    def write(self, address, data):
        check(self.ask(f"M{address:x},{len(data):x}:{data.hex()}") == "OK", f"memory at {address:#x} cannot be written")

    def word(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def set_register(self, thread, number, value):
        self.ask(f"Hg{thread}")
        check(self.ask(f"P{number:x}={struct.pack('<Q', value).hex()}") == "OK", f"register {number} cannot be set")


def when_there(path, seconds=20):
    """Connects as soon as QEMU listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Machine(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
