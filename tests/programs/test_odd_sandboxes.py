# SPDX-License-Identifier: Apache-2.0
"""Users, capabilities, namespaces, roots: a program that leaves them behind finds what it would find without pillion,
and the run is delivered from where the program can no longer go."""
import os
import shlex

from compare import HOOK, NONE, UnwatchedTest, need, pillion, program
from test_odd_files import NOBODY, may, root_only

import sentinel_server
from certificates import Authority

SLEEPS = [program("sleeps_for"), "150", "3"]


@root_only
class Users(UnwatchedTest):
    """The tool leads, or, where the lead passes through it, what it starts."""

    def each(self, *lines):
        for words in lines:
            with self.subTest(words):
                if not may(*shlex.split(words), "true"):
                    self.fail("without pillion, %s does not work here" % words)
                self.compare(shlex.split(words) + SLEEPS, status=3, runs=False, ways=(HOOK,))

    def test_setpriv(self):
        need("setpriv", "util-linux")
        self.each("setpriv --reuid 65534 --regid 65534 --clear-groups",
                  "setpriv --reuid nobody --init-groups --inh-caps=-all",
                  "setpriv --reuid 65534 --keep-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service",
                  "setpriv --bounding-set=-all --ambient-caps=-all --inh-caps=-all", "setpriv --securebits +noroot",
                  "setpriv --rgid 65534 --ruid 65534 --clear-groups", "setpriv --pdeathsig TERM", "setpriv --nnp")

    def test_setpriv_in_a_shell_that_leads(self):
        script = "sleep 0.15; exec setpriv %s \"$0\" 150 3"
        for words in ("--reuid 65534 --regid 65534 --clear-groups", "--bounding-set=-all --inh-caps=-all",
                      "--reuid 65534 --keep-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service"):
            with self.subTest(words):
                self.compare(["sh", "-c", script % words, program("sleeps_for")], status=3, runs=False, ways=(HOOK,))

    def test_capsh(self):
        need("capsh", "libcap2-bin")
        for words in ("--user=nobody --", "--drop=cap_net_raw --", "--secbits=1 --", "--noamb --uid=65534 --",
                      "--keep=1 --user=nobody --inh=cap_net_raw --addamb=cap_net_raw --", "--mode=PURE1E --"):
            with self.subTest(words):
                script = "sleep 0.15; id -u; grep Cap /proc/self/status; exit 3"
                self.compare(["capsh"] + words.split() + ["-c", script], status=3, runs=False, ways=(HOOK,))

    def test_sudo_and_chpst(self):
        need("sudo", "sudo")
        need("chpst", "runit")
        self.each("sudo -n", "sudo -n -u nobody", "sudo -n -E -u nobody --", "chpst -u nobody", "chpst -P -n 5 -o 64")

    def test_ping(self):
        """Drops its capabilities at its start, and once more after its socket is open."""
        ping = need("ping", "iputils-ping")
        done = self.compare([ping, "-n", "-q", "-c", "3", "-i", "0.1", "127.0.0.1"], status=0, ways=(HOOK,),
                            but=lambda data: b"".join(line for line in data.splitlines(True)
                                                      if b"time" not in line and b"rtt" not in line))
        self.assertIn(b"3 packets transmitted, 3 received", done[HOOK].result.stdout)

    def test_tcpdump_as_another_user(self):
        tcpdump = need("tcpdump", "tcpdump")
        code = ("import socket, time\nudp = socket.socket(2, 2)\n"
                "while True: udp.sendto(b'x', ('127.0.0.1', 9)); time.sleep(0.05)")
        talker = self.start(need("python3", "python3"), "-c", code, preload=False)
        for way in (NONE, HOOK):
            done = self.one_way(way, [tcpdump, "-i", "lo", "-Z", "nobody", "-n", "-c", "4", "-q", "udp and port 9"])
            self.assertEqual(done.result.status, 0, done.result)
            self.assertEqual(done.result.stdout.count(b"UDP, length 1"), 4)
            self.assertIn(b"4 packets captured", done.result.stderr)
        talker.signal(9)
        talker.wait()


class Namespaces(UnwatchedTest):
    def allowed(self, *argv):
        if not may(*argv, "true"):
            self.skipTest(pillion.forbidden(" ".join(map(str, argv))))
        return list(argv)

    def test_unshare_command(self):
        kinds = ["-U", "-r", "-Urm", "-Urpf", "-Urn"]
        for words in kinds + (["-T", "-n", "-m", "-pf", "-i -u -C"] if os.geteuid() == 0 else []):
            with self.subTest(words):
                self.compare(self.allowed("unshare", *words.split()) + SLEEPS, status=3, ways=(HOOK,))

    def test_unshare_in_a_shell_that_leads(self):
        """With -U alone it becomes a user whom nobody has mapped, and who cannot write to the run."""
        for words in ("-U", "-Urm", "-Urn"):
            with self.subTest(words):
                self.allowed("unshare", *words.split())
                self.compare(["sh", "-c", 'sleep 0.15; exec unshare %s "$0" 150 3' % words, program("sleeps_for")],
                             status=3, ways=(HOOK,), runs=words != "-U")

    def test_an_ordinary_user_unshares_in_a_shell_that_leads(self):
        """Who is user 0 inside finds the run that it had under its other number."""
        uid = NOBODY if os.geteuid() == 0 else None
        for words in ("-r", "-Urm", "-Urn"):
            with self.subTest(words):
                if not may("unshare", *words.split(), "true", uid=uid):
                    self.skipTest(pillion.forbidden("unshare %s by ordinary users" % words))
                self.compare(["sh", "-c", 'sleep 0.15; exec unshare %s "$0" 150 3' % words, program("sleeps_for")],
                             status=3, ways=(HOOK,), uid=uid)

    def test_nsenter(self):
        self.allowed("unshare", "-Urmn")
        keeper = self.start("unshare", "-Urmn", "sleep", "60", preload=False)
        pid = str(keeper.pid)
        pillion.wait_for(lambda: may("nsenter", "-t", pid, "-U", "-m", "true"), what="namespaces to enter")
        for words in ("-m", "-U", "-n", "-m -n -U", "-a"):
            with self.subTest(words):
                words = self.allowed("nsenter", "-t", pid, *words.split(), "--preserve-credentials")
                self.compare(["sh", "-c", 'sleep 0.15; exec "$@"', "sh"] + words + SLEEPS, status=3, runs=False,
                             ways=(HOOK,))
        keeper.signal(9)
        keeper.wait()

    def test_python_unshares(self):
        code = ("import ctypes, os, sys, time; time.sleep(0.15)\n"
                "call = getattr(os, 'unshare', None) or ctypes.CDLL(None).unshare\n"
                "print(call(0x10000000) or 0, os.getuid()); time.sleep(0.1); sys.exit(4)")
        self.allowed("unshare", "-U")
        self.compare([os.path.realpath(need("python3", "python3")), "-S", "-c", code], status=4)

    def test_child_leaves_the_user_namespace(self):
        done = self.compare([program("unshares_in_child")], status=59)
        if may("unshare", "-U", "true"):
            self.assertEqual(done[HOOK].result.stdout, b"unshare: done\n" * 2)

    def test_bwrap(self):
        bwrap = need("bwrap", "bubblewrap")
        bind = ["--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        self.allowed(bwrap, *bind)
        for words in ("--unshare-all", "--unshare-user --disable-userns", "--unshare-pid --as-pid-1", "--unshare-net",
                      "--new-session --die-with-parent", "--unshare-user --uid 1000 --gid 1000", "--cap-drop ALL"):
            with self.subTest(words):
                self.allowed(bwrap, *bind, *words.split())
                argv = [bwrap] + bind + words.split() + SLEEPS
                self.compare(argv, status=3, runs=False, ways=(HOOK,))
                self.compare(["sh", "-c", 'sleep 0.15; exec "$@"', "sh"] + argv, status=3, runs=False, ways=(HOOK,))


@root_only
class Roots(UnwatchedTest):
    """Over TLS: the bundle was remembered, and the name is resolved, when neither can be read any more."""

    def delivered(self, argv, status, runs=1, **more):
        authority = Authority(self.tmp)
        with sentinel_server.SentinelServer(certificate=authority.context("localhost")) as server:
            url = "https://localhost:%d" % server.port
            env = server.env(SENTINEL_API_URL=url, SSL_CERT_FILE=authority.path, **more)
            plain = self.one_way(NONE, argv)
            self.assertEqual(plain.result.status, status, plain.result)
            done = self.one_way(NONE if more else HOOK, argv, env=env)
            self.assertSame(plain, done)
            ended = [run["finish"]["exit_code"] for run in server.finished_runs()]
            self.assertEqual(ended, [status] * runs, [run.describe() for run in done.runs])

    def test_chroot(self):
        for delay in (0, 150):
            with self.subTest(delay):
                self.delivered([program("chroots_to_empty"), delay], 24)

    def test_working_directory_removed(self):
        self.delivered([program("deletes_cwd"), 150], 25)

    def test_pivot_root_in_a_namespace_of_its_own(self):
        for delay in (0, 150):
            with self.subTest(delay):
                self.delivered([program("pivots_root"), delay, "own"], 58)

    def test_pivot_root_of_everybody_in_the_namespace(self):
        """The bundle is read when the first row is due: whoever takes the files away before then has no run."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        for delay, runs in (("150", 1), ("0", 0)):
            with self.subTest(delay):
                script = 'exec env ${HOOK:+LD_PRELOAD=$HOOK} "$0" ' + delay
                argv = ["unshare", "-m", "sh", "-c", script, program("pivots_root")]
                self.delivered(argv, 58, runs, HOOK=pillion.HOOK)


class Confined(UnwatchedTest):
    """After no_new_privs the hook makes no call more, for a filter may have followed: such a run is left to sync."""

    def confined(self, way, delay, **how):
        left = "no_new_privs" in way
        argv = [program("confines_itself"), delay] + way.split()
        run, = self.compare(argv, ways=(HOOK,), status=57, runs=not left, **how)[HOOK].runs
        self.assertGreaterEqual(len(run.rows), 1)
        self.assertEqual(run["state"] == "running", left, run.describe())

    def test_rights_given_up(self):
        for way in ("landlock", "undumpable", "no_new_privs ptrace", "no_new_privs landlock undumpable ptrace"):
            for uid in (None, NOBODY) if os.geteuid() == 0 else (None,):
                for delay in ("0", "150"):
                    with self.subTest(way, uid=uid, delay=delay):
                        self.confined(way, delay, uid=uid)

    def test_rights_given_up_while_the_run_is_delivered(self):
        for way in ("no_new_privs landlock", "undumpable"):
            with self.subTest(way), sentinel_server.SentinelServer() as server:
                self.confined(way, "150", env=server.env())
                result = self.pillion("sync", env=self.env(PILLION_DIR=self.tmp / "state of hook", **server.env()))
                self.assertEqual(result.status, 0, result)
                self.assertEqual(len(server.finished_runs()), 1)


if __name__ == "__main__":
    pillion.main()
