"""One module a topic; importing this one makes all scenarios known."""

from . import (bad_frames, connections, consuming, dead_letters, exchanges, getting,  # noqa: F401
               limits, own, properties, publishing, queues, quorum, restarts, settling, streams,
               transactions)
