# SPDX-License-Identifier: Apache-2.0
"""Servers that lead: they fork, drop rights, reload, replace themselves, save in a child, and end by their own stop.
The run is finished then, and those who ask get the same answers."""
import ftplib
import http.client
import os
import pathlib
import pwd
import signal
import socket
import subprocess

from compare import HOOK, NONE, RUN, UnwatchedTest, need, pillion
from test_odd_files import root_only
from test_real_postgres import find_server


def read_pid(path):
    """Of the first line of a file; 0 where there is none."""
    try:
        return int(pathlib.Path(path).read_text().split("\n")[0])
    except (OSError, ValueError):
        return 0


class Server(UnwatchedTest):
    def launch(self, *argv, use=None, **how):
        """With `use` the program is a server: it is used, and then has to end by what that did, or by SIGTERM."""
        if use is None:
            return super().launch(*argv, **how)
        timeout = how.pop("timeout", 60)
        started = self.start(*argv, start_new_session=True, **how)
        try:
            if use(started) != "stopped":
                started.signal(signal.SIGTERM)
            return started.wait(timeout)
        except Exception:
            os.killpg(started.pid, signal.SIGKILL)
            print("\n%s said: %r %r" % (argv[0], started.stdout, started.stderr))
            raise

    def served(self, argv, use, status=0, **how):
        """Each way once; what `use` appends to its second argument has to be the same. The ways by name."""
        done, told = {}, {}
        for way in (NONE, HOOK, RUN):
            told[way] = []
            done[way] = self.one_way(way, argv, files=False, use=lambda server: use(server, told[way]), **how)
            self.assertEqual(told[way], told[NONE], way)
            if way != NONE:
                self.assertSame(done[NONE], done[way])
        self.assertEqual(done[NONE].result.status, status, done[NONE].result)
        return done

    def until(self, what, ask):
        """The first answer of a server that is just starting."""
        def answer():
            try:
                return ask()
            except (OSError, EOFError, http.client.HTTPException, ftplib.Error):
                return None
        return pillion.wait_for(answer, what=what)


class Nginx(Server):
    CONF = """pid nginx.pid; error_log error.log; worker_processes 2; env LD_PRELOAD; env PILLION_DIR;
events { worker_connections 64; }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
scgi_temp_path t5; server { listen 127.0.0.1:%d; location / { return 200 "%s"; } } }
"""

    def setUp(self):
        self.nginx, self.port = need("nginx", "nginx-light"), pillion.free_ports()

    def configure(self, answer):
        (self.work / "nginx.conf").write_text(self.CONF % (self.port, answer))

    def pid(self, name="nginx.pid"):
        return read_pid(self.work / name)

    def get(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/")
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def reload(self, told):
        told.append(self.until("an answer", self.get))
        self.configure("second")
        os.kill(self.pid(), signal.SIGHUP)
        pillion.wait_for(lambda: self.get() == b"second", what="the new configuration")

    def test_reload_and_quit(self):
        def use(server, told):
            self.reload(told)
            os.kill(self.pid(), signal.SIGQUIT)
            return "stopped"

        argv = [self.nginx, "-p", self.work, "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]
        done = self.served(argv, use, before=lambda work: self.configure("first"))
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 0, rows=2)

    def test_upgrade_of_a_daemon(self):
        """The script that starts it leads; the new master is exec'd by the old one, and lives on without it."""
        def use(server, told):
            self.reload(told)
            old = self.pid()
            os.kill(old, signal.SIGUSR2)
            new = pillion.wait_for(lambda: self.pid("nginx.pid.oldbin") and self.pid(), what="a new master")
            told.append(self.get())
            os.kill(old, signal.SIGQUIT)
            pillion.wait_for(lambda: not self.pid("nginx.pid.oldbin"), what="the end of the old one")
            told.append(self.get())
            os.kill(new, signal.SIGQUIT)
            pillion.wait_for(lambda: not self.pid(), what="the end of the new one")
            (self.work / "stop").touch()
            return "stopped"

        script = '"$0" -p "$PWD" -c nginx.conf -e error.log; until [ -e stop ]; do sleep 0.1; done; exit 5'
        done = self.served(["sh", "-c", script, self.nginx], use, status=5, before=lambda work: self.configure("first"))
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 5, rows=2)


class Redis(Server):
    def test_saves_in_a_child(self):
        redis = need("redis-server", "redis-server")

        def ask(*words):
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(10)
                link.connect(str(self.work / "socket"))
                link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode())
                                                                for word in words))
                return link.recv(65536)

        def use(server, told):
            told.append(self.until("an answer", lambda: ask("PING")))
            told.append(ask("EVAL", "for i = 1, 20000 do redis.call('SET', i, string.rep('x', 100)) end return 1", "0"))
            told.append(ask("BGSAVE"))
            pillion.wait_for(lambda: b"rdb_bgsave_in_progress:0" in ask("INFO", "persistence"), what="the child's end")
            told.append(b"rdb_last_bgsave_status:ok" in ask("INFO", "persistence"))
            told.append((self.work / "dump.rdb").stat().st_size > 100000)
            told.append(ask("SHUTDOWN", "NOSAVE"))
            return "stopped"

        done = self.served([redis, "--port", "0", "--unixsocket", "socket", "--save", "", "--logfile", "log"], use)
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 0, rows=2)


@root_only
class Postgres(Server):
    def test_immediate_stop_of_a_leading_server(self):
        """SIGQUIT: every backend ends at once, by _exit, and so does the server."""
        path, user = find_server(), pwd.getpwnam("postgres").pw_uid
        template = self.tmp / "template"
        os.chmod(self.tmp, 0o755)
        template.mkdir()
        os.chown(template, user, user)
        made = pillion.run(["setpriv", "--reuid", str(user), "--clear-groups", path + "/initdb", "-A", "trust", "-U",
                            "postgres", "--no-sync", "-D", template], preload=False, cwd=template)
        self.assertEqual(made.status, 0, made)

        def before(work):
            subprocess.run(["cp", "-a", str(template), str(work / "data")], check=True)

        def ask(query):
            done = subprocess.run(["psql", "-h", str(self.work), "-U", "postgres", "-X", "-A", "-t", "-c", query],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))
            return done.stdout if done.returncode == 0 else None

        def use(server, told):
            self.until("a session", lambda: ask("select 1"))
            told.append(ask("create table t as select g as n from generate_series(1, 1000) g; select sum(n) from t"))
            os.kill(read_pid(self.work / "data" / "postmaster.pid"), signal.SIGQUIT)
            return "stopped"

        argv = [path + "/postgres", "-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-c",
                "unix_socket_directories=%s" % self.work, "-c", "log_min_messages=panic"]
        done = self.served(argv, use, before=before, uid=user)
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 0, rows=2)


@root_only
class Daemons(Server):
    def test_dnsmasq_keeps_capabilities_and_becomes_nobody(self):
        dnsmasq, port = need("dnsmasq", "dnsmasq-base"), pillion.free_ports()
        question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04name\x04test\0\0\x01\0\x01"

        def query():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.settimeout(1)
                link.connect(("127.0.0.1", port))
                link.send(question)
                return link.recv(512)

        def use(server, told):
            told.append(self.until("an answer", query))

        done = self.served([dnsmasq, "-k", "-C", "/dev/null", "-p", str(port), "--no-resolv", "--no-hosts", "-x", "",
                            "--address=/name.test/192.0.2.7", "--user=nobody", "--listen-address=127.0.0.1",
                            "--bind-interfaces", "--log-facility=%s/log" % self.work], use)
        self.assertOneRun(done[RUN], 0)

    def test_vsftpd_isolates_its_children(self):
        """In namespaces and roots of their own. (Its filter kills even without pillion, on today's libc.)"""
        vsftpd, port = need("vsftpd", "vsftpd"), pillion.free_ports()

        def before(work):
            for name in ("empty", "files"):
                (work / name).mkdir()
            (work / "files" / "hello").write_text("hello\n")
            (work / "files" / "hello").chmod(0o644)
            os.chmod(work, 0o755)
            (work / "conf").write_text("listen=YES\nlisten_address=127.0.0.1\nlisten_port=%d\nanonymous_enable=YES\n"
                                       "anon_root=%s/files\nsecure_chroot_dir=%s/empty\nbackground=NO\n"
                                       "seccomp_sandbox=NO\nxferlog_enable=NO\n" % (port, work, work))

        def fetch():
            lines = []
            with ftplib.FTP() as ftp:
                lines.append(ftp.connect("127.0.0.1", port, 10))
                lines.append(ftp.login())
                ftp.retrlines("RETR hello", lines.append)
                lines.append(ftp.nlst())
            return lines

        def use(server, told):
            os.chmod(self.tmp, 0o755)
            told.append(self.until("a session", fetch))
            told.append(fetch())

        done = self.served([vsftpd, "conf"], use, status=-signal.SIGTERM, before=before)
        self.assertOneRun(done[RUN], -signal.SIGTERM)

    def test_rsyslog(self):
        rsyslogd = need("rsyslogd", "rsyslog")

        def before(work):
            (work / "conf").write_text('global(workDirectory="%s")\nmodule(load="imuxsock" SysSock.Use="off")\n'
                                       'input(type="imuxsock" Socket="%s/socket")\n'
                                       'template(name="text" type="string" string="%%msg%%\\n")\n'
                                       '*.* action(type="omfile" file="%s/out" template="text")\n' % (work, work, work))

        def use(server, told):
            pillion.wait_for((self.work / "socket").exists, what="its socket")
            subprocess.run(["logger", "-u", str(self.work / "socket"), "-t", "test", "said"], check=True)
            self.until("what was said", lambda: "said" in (self.work / "out").read_text())

        done = self.served([rsyslogd, "-n", "-iNONE", "-f", "conf"], use, before=before)
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 0)


if __name__ == "__main__":
    pillion.main()
