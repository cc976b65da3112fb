"""Runs a command as a person at a terminal does: its standard input, output and error are one pseudo terminal.

    terminal.py COLUMNS ROWS COMMAND [ARGUMENT ...]

Prints {"status": exit status, "written": everything that it wrote, "screen": the lines left on the screen, scrolled off or
not}. It ends when the command has.
"""

import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios

# A control sequence (ECMA-48), any other control character, or text.
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([@-~])|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f]+)")


def run(columns: int, rows: int, command: list[str]) -> tuple[int, str]:
    child, terminal = pty.fork()
    if child == 0:
        # The command starts only when the terminal has its size.
        sys.stdin.readline()
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # The line that starts it is not part of what it wrote.
    modes = termios.tcgetattr(terminal)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
    os.write(terminal, b"\n")
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux says so when nobody has the other end any more.
            break
        if not chunk:
            break
        written += chunk
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), written.decode()


def screen(written: str, columns: int) -> list[str]:
    """What is to be seen, with what the tool's output uses: text, lines, and sequences that move the cursor or erase."""
    lines: list[list[str]] = [[]]
    row = column = 0

    for match in TOKEN.finditer(written):
        arguments, final, control, text = match.groups()
        number = int(arguments) if arguments and arguments.isdigit() else 0
        if final == "A":
            row = max(row - max(number, 1), 0)
        elif final == "B":
            row = min(row + max(number, 1), len(lines) - 1)
        elif final == "G":
            column = max(number, 1) - 1
        elif final == "K":
            line = lines[row]
            lines[row] = [] if number == 2 else line[:column] if number == 0 else [" "] * column + line[column:]
        elif final == "J" and number == 0:
            del lines[row + 1 :]
            del lines[row][column:]
        elif final in ("m", "h", "l"):
            pass  # Colours and modes.
        elif final:
            raise ValueError(f"a sequence that is not known here: {match[0]!r}")
        elif control == "\r":
            column = 0
        elif control == "\n":
            row += 1
            if row == len(lines):
                lines.append([])
        elif control:
            raise ValueError(f"a control character that is not known here: {control!r}")
        for character in text or "":
            if column == columns:
                row, column = row + 1, 0
                if row == len(lines):
                    lines.append([])
            line = lines[row]
            line.extend([" "] * (column + 1 - len(line)))
            line[column] = character
            column += 1
    return ["".join(line).rstrip() for line in lines]


def main() -> None:
    columns, rows, *command = sys.argv[1:]
    status, written = run(int(columns), int(rows), command)
    print(json.dumps({"status": status, "written": written, "screen": screen(written, int(columns))}))


if __name__ == "__main__":
    main()
