"""Own org.freedesktop.secrets on the session's bus: run by a Python that has jeepney, as Poetry's.

    python secrets_owner.py silent|refusing

Prints `owner` once the name is its own, then a line for every call that comes in. `silent` answers
none of them, as a keyring does whose window to unlock it nobody sees; `refusing` answers each with
an error.
"""

from __future__ import annotations

import sys

from jeepney import MessageType, new_error  # type: ignore[import-not-found]
from jeepney.bus_messages import message_bus  # type: ignore[import-not-found]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-not-found]


def main(manner: str) -> None:
    connection = open_dbus_connection(bus="SESSION")
    connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.secrets", 0))
    print("owner", flush=True)
    while True:
        message = connection.receive()
        if message.header.message_type is MessageType.method_call:
            print(message.header.fields, flush=True)
            if manner == "refusing":
                error = "org.freedesktop.Secret.Error.IsLocked"
                connection.send(new_error(message, error, "s", ("it is locked",)))


if __name__ == "__main__":
    main(sys.argv[1])
