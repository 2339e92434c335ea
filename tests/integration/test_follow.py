#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`pillion show --follow` on a terminal: it lives as long as the run, and leaves the terminal as it was."""
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, pillion  # noqa: E402

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
CURSOR_OFF, CURSOR_ON = b"\x1b[?25l", b"\x1b[?25h"


class Terminal:
    """A program on a terminal of its own, in a process group of its own: a shell's job."""

    def __init__(self, argv, env, columns=80, lines=40):
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        self.text = b""
        self.process = subprocess.Popen(argv, env=env, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        preexec_fn=lambda: os.setpgid(0, 0))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.text += data

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, number):
        os.kill(self.process.pid, number)

    def until(self, what, count=1):
        pillion.wait_for(lambda: self.text.count(what) >= count, what=repr(what))

    def is_stopped(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def frames(self):
        return self.text.count(b"\x1b[H")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)  # the reader's read ends
        self.reader.join(5)
        os.close(self.master)


class Follow(LocalTest):
    def setUp(self):
        super().setUp()
        self.program = self.start("sleep", "60")
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")

    def follow(self, *words, **size):
        terminal = Terminal([str(pillion.COMMAND), "show", "--follow", *words],
                            {**self.env(), "TERM": "xterm", "NO_COLOR": "1"}, **size)
        self.addCleanup(terminal.close)
        terminal.until(b"running")
        return terminal

    def assertAsItWas(self, terminal):
        pillion.wait_for(lambda: terminal.text.count(LEAVE) == terminal.text.count(ENTER), what="the screen left")
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        self.assertGreater(terminal.text.rindex(LEAVE), terminal.text.rindex(ENTER))
        self.assertGreater(terminal.text.rindex(CURSOR_ON), terminal.text.rindex(CURSOR_OFF))

    def test_it_ends_with_the_run_and_the_last_page_stays(self):
        terminal = self.follow()
        self.program.signal(signal.SIGTERM)
        self.program.wait()
        self.assertEqual(terminal.process.wait(30), 0)
        self.assertAsItWas(terminal)
        pillion.wait_for(lambda: b"killed by SIGTERM" in terminal.text[terminal.text.rindex(LEAVE):], what="the last page")

    def test_signals_that_end_it_leave_the_terminal_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                terminal = self.follow()
                terminal.send(number)
                self.assertEqual(terminal.process.wait(30), -number)
                self.assertAsItWas(terminal)
        self.assertEqual(self.only_run()["state"], "running")

    def test_it_stops_and_goes_on_as_a_job_does(self):
        terminal = self.follow()
        terminal.send(signal.SIGTSTP)
        pillion.wait_for(terminal.is_stopped, what="a stop")
        self.assertAsItWas(terminal)
        terminal.send(signal.SIGCONT)
        terminal.until(ENTER, 2)
        frames = terminal.frames()
        pillion.wait_for(lambda: terminal.frames() > frames, what="another picture")
        terminal.send(signal.SIGTERM)
        self.assertEqual(terminal.process.wait(30), -signal.SIGTERM)
        self.assertAsItWas(terminal)

    def test_pictures_fit_the_terminal_and_follow_its_size(self):
        terminal = self.follow(columns=100, lines=12)
        terminal.resize(50, 9)
        frames = terminal.frames()
        terminal.send(signal.SIGWINCH)
        pillion.wait_for(lambda: terminal.frames() > frames + 1, what="pictures")
        picture = terminal.text.split(b"\x1b[H")[-2].decode()
        lines = picture.replace("\x1b[2K", "").replace("\x1b[J", "").replace("\r", "").split("\n")
        self.assertLessEqual(len(lines), 9)
        self.assertLessEqual(max(map(len, lines)), 50, picture)

    def test_without_a_terminal_and_for_a_run_that_has_ended_it_is_one_page(self):
        result = self.pillion("show", "--follow")
        self.assertEqual((result.status, result.stdout.count(b"running")), (0, 1), result)
        self.assertNotIn(b"\x1b", result.stdout)
        self.program.signal(signal.SIGTERM)
        self.program.wait()
        self.assertIn(b"killed by SIGTERM", self.pillion("show", "--follow", "last").stdout)


if __name__ == "__main__":
    pillion.main()
