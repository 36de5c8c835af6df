"""Which port can the app listen on? `free_port.py ADDRESS [PORT]` prints PORT, or else the first free from 8501."""

import errno
import re
import socket
import sys

FIRST, LAST = 8501, 8599
LOWEST = 1024  # those below belong to the system's own services, even where one may take them


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError) as error:
            named = not isinstance(error, UnicodeError | socket.gaierror)
            if not named or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
                sys.exit(f"headlight: ADDRESS={host[:60]!r} is no address of this machine.")
            return False
    return True


def main() -> None:
    """Print the port, or end with one line that says what is wrong."""
    host, *wanted = sys.argv[1:]
    if not wanted:
        for port in range(FIRST, LAST + 1):
            if is_free(host, port):
                print(port)
                return
        sys.exit(f"headlight: no free port from {FIRST} to {LAST} on {host}; choose one: make app PORT=9000")
    if not (re.fullmatch("[0-9]{1,5}", wanted[0]) and LOWEST <= int(wanted[0]) <= 65535):
        sys.exit(f"headlight: PORT is a number from {LOWEST} to 65535, received {wanted[0][:60]!r}.")
    if not is_free(host, int(wanted[0])):
        sys.exit(f"headlight: port {wanted[0]} is taken; leave PORT out to get a free one.")
    print(int(wanted[0]))


if __name__ == "__main__":
    main()
