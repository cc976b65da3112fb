"""Runs a command with a terminal of so many columns as its standard output and standard error: screen.py COLUMNS COMMAND…

Prints what the terminal got, and ends with the status of the command.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

columns, command = int(sys.argv[1]), sys.argv[2:]
controller, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
os.close(terminal)
while True:
    try:
        shown = os.read(controller, 65536)
    except OSError:  # Linux: EIO, when the last one has closed the terminal
        break
    if not shown:
        break
    sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
sys.stdout.flush()
sys.exit(process.wait())
