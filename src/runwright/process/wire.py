"""How a request is framed on the launcher's socket, and how a supervisor is asked to end."""

from __future__ import annotations

import struct

LENGTH = struct.Struct("!I")
"""Length of the JSON that follows."""
LARGEST_REQUEST = 64 * 2**20
STOP = 40
"""The signal by which we ask a supervisor to end its tree: one of the real-time signals, by its number, which drivers
of another C library share. Not SIGTERM, which the end of the machine sends to everybody, nor SIGUSR1, which batch
systems send."""
