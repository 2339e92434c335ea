#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A clock of a program's own: own_clock.py SECONDS PRELOAD COMMAND...

CLOCK_REALTIME has no namespace. But whoever asks the kernel itself for it, as pillion does, is answered here, by a seccomp
filter that asks this process: the kernel's time and SECONDS. Files are dated by the kernel's, as a file server with the right
time would. This process and its own children run without PRELOAD, COMMAND with it. Standard library only."""
import array
import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import time

CLOCK_GETTIME, SECCOMP = {"x86_64": (228, 317), "aarch64": (113, 277)}[platform.machine()]
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
SET_FILTER, NEW_LISTENER, NO_NEW_PRIVILEGES = 1, 8, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06

libc = ctypes.CDLL(None, use_errno=True)


def listen():
    """From here on this process and what it becomes asks for each reading of CLOCK_REALTIME: the descriptor to answer by."""
    steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, CLOCK_GETTIME), (LOAD, 0, 0, 16), (EQUAL, 0, 1, time.CLOCK_REALTIME), (RETURN, 0, 0, ASK),
             (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    listener = libc.syscall(SECCOMP, SET_FILTER, NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))
    return listener


def answer(listener, offset):
    question = bytearray(80)
    try:
        fcntl.ioctl(listener, RECEIVE, question)
    except OSError:
        return  # it was killed meanwhile
    number, pid, _, _, _, _, _, address = struct.unpack_from("QIIiIQQQ", question)
    now = time.clock_gettime_ns(time.CLOCK_REALTIME) + int(offset * 1e9)
    error = 0
    try:
        with open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(struct.pack("qq", *divmod(now, 10**9)))
    except OSError:
        error = -14
    try:
        fcntl.ioctl(listener, SEND, struct.pack("QqiI", number, 0, error, 0))
    except OSError:
        pass


def main(offset, preload, command):
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        listener = listen()
        there.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
        os.close(listener)
        there.close()
        os.environ["LD_PRELOAD"] = preload
        os.execvp(command[0], command)
    there.close()
    _, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
    listener = array.array("i", ancillary[0][2])[0]
    while True:
        if select.select([listener], [], [], 0.05)[0]:
            answer(listener, offset)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            os._exit(os.waitstatus_to_exitcode(status) & 255)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
