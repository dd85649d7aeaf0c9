"""All workers meet before TensorFlow begins: it would wait for an absent one without end and without a word.

Each listens on its own port of TF_CONFIG until every other has called, and calls every other until it answers. Then the
port is free for TensorFlow.
"""

import socket
import threading
import time

from bit_keras.errors import RunError

HELLO = b"bit_keras %d\n"
PAUSE = 0.2  # seconds between two calls
PATIENCE = 5  # seconds for one answer


def meet(members, *, seconds):
    """Returns when all `Members` are there.

    Raises:
        RunError: if the own port cannot be listened on, or somebody has not come after so many `seconds`; it tells who.
    """
    others = [index for index in range(len(members.addresses)) if index != members.index]
    end = time.monotonic() + seconds
    with _Listener(members) as listener:
        absent = set(others)
        while absent or listener.callers < set(others):
            absent -= {index for index in absent if _answers(members, index)}
            if time.monotonic() > end:
                missing = sorted(absent | (set(others) - listener.callers))
                raise RunError(
                    f"Expected all {len(members.addresses)} workers within {seconds:g} seconds. Missing: "
                    f"{', '.join(f'worker {index} at {members.addresses[index]}' for index in missing)}. Start it, or "
                    "look whether its address can be reached from here."
                )
            time.sleep(PAUSE)


class _Listener:
    """Answers whoever calls, and remembers them."""

    def __init__(self, members):
        self.members = members
        self.callers = set()
        self._stopped = threading.Event()

    def __enter__(self):
        port = int(self.members.addresses[self.members.index].rpartition(":")[2])
        try:
            self._socket = _listening(port)
        except OSError as error:
            raise RunError(
                f"Could not listen on {self.members.addresses[self.members.index]}: {error.strerror}. "
                "End what uses the port, or choose another in TF_CONFIG."
            ) from error
        self._socket.settimeout(PAUSE)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _listen(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    word, _, index = connection.recv(64).partition(b" ")
                    if word == b"bit_keras" and index.strip().isdigit():
                        connection.sendall(HELLO % self.members.index)
                        self.callers.add(int(index))
            except OSError:
                continue


def _listening(port):
    """Returns a socket for callers by IPv4 and, where there is that, by IPv6."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _answers(members, index):
    host, _, port = members.addresses[index].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as connection:
            connection.sendall(HELLO % members.index)
            return connection.recv(64) == HELLO % index
    except OSError:
        return False
