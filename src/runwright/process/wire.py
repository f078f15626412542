"""How a request is framed on the launcher's socket."""

from __future__ import annotations

import struct

LENGTH = struct.Struct("!I")
"""Length of the JSON that follows."""
LARGEST_REQUEST = 64 * 2**20
