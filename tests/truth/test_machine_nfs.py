# SPDX-License-Identifier: Apache-2.0
"""A server of files that falls silent: NFS, mounted hard, over the loopback of a network namespace of the test's own. What
waits for it waits as long as it likes; rows and the program's end do not wait with it.

This wants root, nfs-kernel-server and a kernel with nfsd; elsewhere that is said. tests/systems has one."""
import os
import signal
import time

from machine import MachineTest, Sampled, pillion

PLACES = "for place in /var/lib/nfs /run; do mount -t tmpfs none $place; done\nmkdir -p /var/lib/nfs/v4recovery\n" \
         ": >/var/lib/nfs/etab\n: >/var/lib/nfs/rmtab\n"
SERVER = """ip link set lo up
mount -t nfsd nfsd /proc/fs/nfsd
exportfs -i -o rw,fsid=0,no_root_squash,insecure,no_subtree_check 127.0.0.1:{export}
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/fs/nfsd/nfsv4gracetime
rpc.mountd --foreground --no-nfs-version 3 >/dev/null 2>&1 &
echo $! >{tmp}/mountd
rpc.nfsd --no-nfs-version 3 1 2>/dev/null
{{ echo Y >/proc/fs/nfsd/v4_end_grace; }} 2>/dev/null || true
mount -t nfs4 -o hard,timeo=10,retrans=1,actimeo=0 127.0.0.1:/ {nfs}
"""
INSIDE = ("--net", "--mount")


class Silent(MachineTest):
    def serve(self):
        """The folder that NFS is mounted at, for those in the namespaces of self.holder_pid."""
        self.need_root()
        self.need("ip", "exportfs", "rpc.mountd", "rpc.nfsd", "mount.nfs4")
        if not os.path.exists("/proc/fs/nfsd") and not self.can("modprobe", "nfsd"):
            self.skip("no NFS server in this kernel: " + self.why_not)
        export, nfs = self.tmp / "export", self.tmp / "nfs"
        for path in (export, nfs):
            path.mkdir()
        self.addCleanup(self.stop_serving)
        script = PLACES + SERVER.format(export=export, tmp=self.tmp, nfs=nfs)
        self.pid = self.holder(*INSIDE, script=script)
        self.export = export
        return nfs

    def stop_serving(self):
        """In this order: the network, what waits for it, the threads."""
        if hasattr(self, "pid") and os.path.exists("/proc/%d/ns/net" % self.pid):
            self.silence(False)
            for words in (["umount", "-ic", "--force", "--lazy", self.tmp / "nfs"], ["rpc.nfsd", "0"]):
                self.inside(self.pid, *words, namespaces=INSIDE, check=False)
        try:
            os.kill(int((self.tmp / "mountd").read_text()), signal.SIGKILL)
        except (OSError, ValueError):
            pass

    def silence(self, yes=True):
        self.inside(self.pid, "ip", "link", "set", "lo", "down" if yes else "up", namespaces=INSIDE)

    def entering(self, *more):
        return ("nsenter", "-t", self.pid, "--net", "--mount") + more

    def test_a_program_that_stands_there_has_its_rows_and_its_end(self):
        nfs = self.serve()
        sampled = Sampled(self, before=self.entering("env", "-C", nfs))
        sampled.wait_rows(2)
        self.silence()
        sampled.wait_rows(5)
        sampled.end()
        self.assertGreaterEqual(len(sampled.rows), 8)

    def test_a_child_that_waits_for_it_stops_no_row(self):
        """Killed it can be; waiting, it is in the rows."""
        nfs = self.serve()
        (self.export / "file").write_bytes(b"x" * 4096)
        script = "cat; dd if=%s of=/dev/null iflag=direct 2>/dev/null & wait $!; echo $?; exit 3" % (nfs / "file")
        program = self.start(*self.entering("env", "LD_PRELOAD=%s" % pillion.HOOK, "sh", "-c", script), preload=False,
                             env=self.env(PILLION_INTERVAL=0.1), stdin=-1)
        pillion.wait_for(lambda: self.rows() >= 2, 60, "two rows")
        self.silence()
        program.process.stdin.close()
        child = pillion.wait_for(lambda: self.waiting_child(program.pid), 60, "a child that waits for the server")
        goal = self.rows() + 6
        pillion.wait_for(lambda: self.rows() >= goal, 60, "rows beside it")
        os.kill(child, signal.SIGKILL)
        result = program.wait()
        self.assertEqual((result.status, result.stdout), (3, b"137\n"), result)
        rows = self.only_run().rows
        self.assertIn(1, [row["process_children"] for row in rows[-6:]])

    def rows(self):
        runs = self.runs()
        return len(runs[0].raw_rows) if runs else 0

    @staticmethod
    def waiting_child(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            children = [int(word) for word in file.read().split()]
        for child in children:
            with open("/proc/%d/stat" % child) as file:
                name, rest = file.read().rsplit(")", 1)
            if name.endswith("(dd") and rest.split()[0] == "D":
                return child
        return None

    def test_with_its_rows_kept_there_a_program_goes_on_and_ends(self):
        """PILLION_DIR itself. The program runs to its end meanwhile. That its parent hears of it then is more than can be
        had: the kernel writes back what the thread has written, as for any writer there, before the process is gone."""
        nfs = self.serve()
        self.dir = self.export / "state"
        self.dir.mkdir()
        env = self.env(PILLION_INTERVAL=0.1, PILLION_DIR=nfs / "state")
        words = self.entering("env", "LD_PRELOAD=%s" % pillion.HOOK, "sh", "-c", "cat; exit 3")
        program = self.start(*words, preload=False, env=env, stdin=-1)
        pillion.wait_for(lambda: self.rows() >= 2, 60, "two rows")
        self.silence()
        time.sleep(1)
        program.process.stdin.write(b"still here\n")
        program.process.stdin.flush()
        pillion.wait_for(lambda: program.stdout == b"still here\n", 60, "the program goes on")
        program.process.stdin.close()
        pillion.wait_for(program.ended, 60, "the end of the program")
        self.silence(False)
        result = program.wait(60)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"still here\n", b""), result)
        self.assertGreaterEqual(len(self.only_run().rows), 2)


if __name__ == "__main__":
    pillion.main()
