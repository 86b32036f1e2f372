"""Own a keyring's name on the session's bus: run by a Python that has jeepney, as Poetry's.

    python secrets_owner.py MANNER NAME

Prints `owner` once the name is its own, then a line for every call that comes in. Manners:

- `silent` answers no call;
- `refusing` answers each with an error;
- `prompting` has a locked collection and opens a prompt to unlock it, which nobody sees;
- `dismissing` has one, too, whose prompt is dismissed at once;
- `open` has an unlocked collection with no password in it;
- `closed` is KDE's wallet, which its user does not open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from jeepney import (  # type: ignore[import-not-found]
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.bus_messages import message_bus  # type: ignore[import-not-found]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-not-found]

PROMPT = "/org/freedesktop/secrets/prompt/1"


def answers(manner: str, call: Message) -> Iterator[Message]:
    """What comes back for a call."""
    member = call.header.fields[HeaderFields.member]
    if manner == "silent":
        return
    if manner == "refusing":
        yield new_error(call, "org.freedesktop.Secret.Error.IsLocked", "s", ("it is locked",))
    elif member == "Get":
        locked = ("b", manner != "open")
        yield new_method_return(
            call, "v", (locked if call.body[1] == "Locked" else ("s", "Login"),)
        )
    elif member == "Unlock":
        yield new_method_return(call, "aoo", ([], PROMPT))
    elif member == "Prompt":
        yield new_method_return(call)
        if manner == "dismissing":
            prompt = DBusAddress(PROMPT, interface="org.freedesktop.Secret.Prompt")
            yield new_signal(prompt, "Completed", "bv", (True, ("ao", [])))
    elif member == "SearchItems":
        yield new_method_return(call, "ao", ([],))
    elif member == "networkWallet":
        yield new_method_return(call, "s", ("kdewallet",))
    elif member == "open":
        yield new_method_return(call, "i", (-1,))
    else:
        yield new_error(call, "org.freedesktop.DBus.Error.UnknownMethod", "s", (member,))


def main(manner: str, name: str) -> None:
    connection = open_dbus_connection(bus="SESSION")
    connection.send_and_get_reply(message_bus.RequestName(name, 0))
    print("owner", flush=True)
    while True:
        message = connection.receive()
        if message.header.message_type is MessageType.method_call:
            print(message.header.fields, flush=True)
            for answer in answers(manner, message):
                connection.send(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
