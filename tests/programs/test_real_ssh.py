# SPDX-License-Identifier: Apache-2.0
"""Sessions over ssh: what ssh, scp, sftp and rsync say and carry is not a byte more, with the hook in every session, in
the server itself, and in the client."""
import os
import pwd
import subprocess
import unittest

from compare import UnwatchedTest, need, pillion

CONF = """Port %(port)d
ListenAddress 127.0.0.1
HostKey %(folder)s/host
AuthorizedKeysFile %(folder)s/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
LogLevel ERROR
"""
CLIENT = """Host box
HostName 127.0.0.1
Port %(port)d
User %(user)s
IdentityFile %(folder)s/user
IdentitiesOnly yes
UserKnownHostsFile %(folder)s/known
StrictHostKeyChecking no
LogLevel ERROR
"""


@unittest.skipUnless(os.geteuid() == 0, "a server needs to be root's for its sandbox")
class Ssh(UnwatchedTest):
    def setUp(self):
        self.sshd = need("sshd", "openssh-server") if os.path.exists("/usr/sbin/sshd") else self.fail(
            "sshd is missing: install the package openssh-server (tools/check does that)")
        self.folder, self.data = self.tmp / "ssh", os.urandom(300000)
        self.folder.mkdir()
        keygen = need("ssh-keygen", "openssh-client")
        for name in ("host", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        os.makedirs("/run/sshd", exist_ok=True)

    def serve(self, preload, session=None):
        """A server; `session` is the environment of its sessions. It, and its address for the client."""
        words = {"port": pillion.free_ports(), "folder": self.folder, "user": pwd.getpwuid(os.geteuid()).pw_name}
        conf, client = self.folder / "sshd_config", self.folder / "ssh_config"
        setting = " ".join("%s=%s" % pair for pair in (session or {}).items())
        conf.write_text(CONF % words + ("SetEnv %s\n" % setting if setting else ""))
        client.write_text(CLIENT % words)
        server = self.start(self.sshd, "-D", "-e", "-f", conf, preload=preload, env=self.env(PILLION_INTERVAL="0.05"))
        pillion.wait_for(lambda: self.ask(["ssh", "-F", client, "box", "true"]).status == 0, what="a session")
        return server, client

    def ask(self, argv, preload=False, **how):
        return self.launch(*argv, preload=preload, env=self.env(PILLION_DIR=self.tmp / "client"), **how)

    def talk(self, client, preload):
        """Everything that there is to compare."""
        told = []
        box, there, rsync = ["ssh", "-F", client, "box"], self.folder / "there", "ssh -F %s" % client
        (self.work / "data").write_bytes(self.data)
        for argv in (box + ["echo out; echo err >&2; exit 5"], box + ["kill -9 $$"], box + ["cat; sleep 0.2"],
                     box[:1] + ["-tt"] + box[1:] + ["tty >/dev/null && echo on a terminal; exit 6"],
                     ["scp", "-q", "-F", client, "data", "box:%s" % there],
                     ["scp", "-q", "-O", "-F", client, "box:%s" % there, "back"],
                     ["sftp", "-q", "-b", "-", "-F", client, "box"],
                     ["rsync", "-a", "-c", "-i", "--no-times", "-e", rsync, "data", "box:%s.rsync" % there],
                     ["rsync", "-a", "-e", rsync, "box:%s.rsync" % there, "back.rsync"]):
            given = b"ls /does/not/exist\n" if argv[0] == "sftp" else self.data if argv[-1].startswith("cat") else None
            result = self.ask(argv, preload, input=given)
            told.append(([str(word) for word in argv[-1:]], result.status, result.stdout, result.stderr))
        for path in (self.work / "back", self.work / "back.rsync", there):
            told.append(path.read_bytes() == self.data)
            path.unlink()
        (self.folder / "there.rsync").unlink()
        return told

    def end(self, server):
        server.signal(15)
        return server.wait()

    def test_not_a_byte_more(self):
        need("rsync", "rsync")
        server, client = self.serve(preload=False)
        plain = self.talk(client, preload=False)
        ended = self.end(server)
        told_at_the_end = (ended.status, ended.stdout, ended.stderr)
        self.assertEqual(plain[0][1:], (5, b"out\n", b"err\n"))
        self.assertEqual(plain[-3:], [True, True, True])
        with self.subTest("the hook in every session, and in the client"):
            state = self.tmp / "session"
            server, client = self.serve(False, {"LD_PRELOAD": pillion.HOOK, "PILLION_DIR": state,
                                                "PILLION_INTERVAL": "0.05"})
            self.assertEqual(self.talk(client, preload=True), plain)
            self.end(server)
            self.assertGreaterEqual(len(pillion.runs(state)), 7)
        with self.subTest("the server leads"):
            server, client = self.serve(preload=True)
            pillion.wait_for(lambda: pillion.is_leader(server.pid), what="its thread")
            self.assertEqual(self.talk(client, preload=False), plain)
            ended = self.end(server)
            self.assertEqual((ended.status, ended.stdout, ended.stderr), told_at_the_end)
            self.assertGreaterEqual(len(self.only_run().rows), 10)


if __name__ == "__main__":
    pillion.main()
