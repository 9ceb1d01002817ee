"""A child process that cannot outlive its owner, however the owner dies."""

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

#: The shell becomes the command (exec keeps the process id) and leaves a watcher behind, which reads from a
#: pipe that only the owner can write to: a line means the command ended as intended, the end of the pipe
#: that the owner is gone. Linux' PR_SET_PDEATHSIG would not do: it fires when the *thread* that started
#: the process ends, and macOS has none.
LEASHED = 'exec 3<&0; (read -r _ <&3 || kill -9 $$) & exec "$@" 3<&- </dev/null'


def start(command: Sequence[str], out: Path, *, leashed: bool = True) -> subprocess.Popen[bytes]:
    """Run a command in the background, its output appended to a file; ``pid`` is the command's own.

    It gets a session of its own: Ctrl-C in a terminal reaches the owner, who may need the process to
    end in order. ``leashed=False`` lets it live on when the owner is gone.
    """
    with out.open("ab") as file:
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", LEASHED, "leash", *command] if leashed else command,
            stdin=subprocess.PIPE if leashed else subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Send the watcher home after the process has ended: its id may be somebody else's by now."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(b"\n")
