"""The C link as a board in memory, with the face of ``FakeBoard``."""

import ctypes

from firmware_bridge.fake import Result
from tests.firmware import building


class _Answer(ctypes.Structure):
    _fields_ = [("trigger", ctypes.c_uint32), ("score", ctypes.c_uint16), ("known", ctypes.c_uint16),
                ("concept", ctypes.c_uint8), ("known_flag", ctypes.c_bool), ("failed", ctypes.c_bool)]  # fmt: skip


class _Message(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint8), ("size", ctypes.c_uint16), ("payload", ctypes.POINTER(ctypes.c_uint8))]


PUT = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)
ANSWER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Answer))
MESSAGE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Message))


class CBoard:
    """The C link, with the same face as ``FakeBoard``."""

    def __init__(self, nonce, now=0.0):
        self.lib = ctypes.CDLL(str(building.shim()))
        self.lib.shim_new.restype = ctypes.c_void_p
        self.lib.shim_send.restype = self.lib.shim_idle.restype = self.lib.shim_taken.restype = ctypes.c_bool
        self.lib.shim_pending.restype = self.lib.shim_trigger.restype = ctypes.c_uint32
        self.nonce, self.link = nonce, self
        self.out, self.results, self.messages = bytearray(), [], []
        self.accepted = []
        self._callbacks = (
            PUT(lambda _, data, size: (self.out.extend(data[:size]), size)[1]),
            ANSWER(lambda _, found: self.results.append(self._result(found[0]))),
            MESSAGE(lambda _, found: self.messages.append((found[0].type, bytes(found[0].payload[: found[0].size])))),
        )
        self.lib.shim_time(int(now * 1000))
        self.board = ctypes.c_void_p(self.lib.shim_new(*self._callbacks, ctypes.c_uint32(nonce), b"fake"))

    @staticmethod
    def _result(found):
        return Result(found.trigger, found.concept, found.score, found.known, found.known_flag | found.failed << 1)

    def __del__(self):
        self.lib.shim_free(self.board)

    def trigger(self, source=0, time=None):
        if time is not None:
            self.lib.shim_time(time)
        return self.lib.shim_trigger(self.board, source) or None

    def receive(self, data, now):
        self.lib.shim_time(int(now * 1000))
        self.lib.shim_receive(self.board, data, len(data))
        self.accepted = [id for id in self._pending if self.lib.shim_taken(self.board, id)]

    def poll(self, now):
        self.lib.shim_time(int(now * 1000))
        self.lib.shim_poll(self.board)
        out = bytes(self.out)
        self.out.clear()
        return out

    @property
    def _pending(self):
        return [id for slot in range(4) if (id := self.lib.shim_pending(self.board, slot))]

    # what a simulation asks of the link

    @property
    def waiting(self):
        return not self.lib.shim_idle(self.board)

    def next(self, _now):
        return 0.01
