# SPDX-License-Identifier: Apache-2.0
"""Runs on machines of the clouds: what is registered, what is asked and where, and that nothing waits for it."""
import contextlib
import json
import time
import unittest

from served import PYTHON, ServedTest
import own_machine
import pillion
from metadata_server import ACCOUNTS, ALIBABA, FACTS, HCLOUD, LINK_LOCAL, MetadataServer, Silent, VENDORS
from strict_server import StrictServer

AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
DMIS = {
    "aws": dict(sys_vendor="Amazon EC2", product_name="c7i.2xlarge", bios_version="1.0", chassis_asset_tag="Amazon EC2"),
    "gcp": dict(sys_vendor="Google", product_name="Google Compute Engine", bios_version="Google", chassis_asset_tag=""),
    "azure": dict(sys_vendor="Microsoft Corporation", product_name="Virtual Machine", chassis_asset_tag=AZURE_TAG),
    "hcloud": dict(sys_vendor="Hetzner", product_name="vServer", bios_version="20171111"),
    "upcloud": dict(sys_vendor="UpCloud", product_name="Server"),
    "vultr": dict(sys_vendor="Vultr", product_name="VC2"),
    "alicloud": dict(sys_vendor="Alibaba Cloud", product_name="Alibaba Cloud ECS"),
    "ovh": dict(sys_vendor="OpenStack Foundation", product_name="OpenStack Nova", chassis_asset_tag="OpenStack Compute"),
}
XEN = dict(sys_vendor="Xen", product_name="HVM domU", bios_version="4.11.amazon")
HOME = dict(sys_vendor="Dell Inc.", product_name="Latitude 7490", chassis_asset_tag="Asset-1")

SECOND = 1.0  # what registration may wait
SLACK = 10.0  # for a busy machine; what hangs does so for half a minute


def setUpModule():
    reason = own_machine.enter(LINK_LOCAL, ALIBABA)
    if reason:
        raise unittest.SkipTest(reason)


class CloudTest(ServedTest):
    def setUp(self):
        super().setUp()
        own_machine.set_dmi(**HOME)

    def env(self, **extra):
        return super().env(**dict({"PILLION_CLOUD": "auto"}, **extra))

    def play(self, *vendors, **options):
        server = MetadataServer(*vendors, **options)
        self.addCleanup(server.stop)
        return server

    def registered(self, seconds=None, **variables):
        """The cloud_ fields that a program's run is registered with; it is delivered whole. Without `seconds` the
        program lives until it is registered."""
        text = "import time; time.sleep(%s)" % seconds
        if seconds is None:
            text = "import os, time\nwhile not os.path.exists('enough'): time.sleep(0.02)"
        before = len(self.server.of("register"))
        program = self.start(PYTHON, "-S", "-c", text, env=self.env(**variables))
        if seconds is None:
            pillion.wait_for(lambda: len(self.server.of("register")) > before)
            (self.work / "enough").touch()
        result = program.wait()
        (self.work / "enough").unlink(missing_ok=True)
        self.assertSilent(result)
        self.assertEqual(result.status, 0)
        run = [one for one in self.runs() if one["pid"] == program.pid][0]
        self.assertDelivered(run)
        self.assertNoComplaints()
        body = [one for one in self.server.of("register")][-1].body
        self.assertEqual(run["registration"], body)
        return {name: value for name, value in body.items() if name.startswith("cloud_")}


class Vendors(CloudTest):
    def test_each_is_registered_with_exactly_what_it_says(self):
        for vendor in VENDORS:
            with self.subTest(vendor):
                own_machine.set_dmi(**DMIS[vendor])
                with MetadataServer(vendor) as service:
                    self.assertEqual(self.registered(), dict(FACTS[vendor], cloud_vendor_id=vendor))
                    self.assertEqual({one[0] for one in service.requests}, {VENDORS[vendor][0]})
                    asked = " ".join(one[2] for one in service.requests)
                    self.assertNotRegex(asked, "account|ec2/info|project-id|user-data|security-credentials")

    def test_an_account_is_asked_for_and_sent_only_when_it_is_shared(self):
        for vendor, account in ACCOUNTS.items():
            with self.subTest(vendor):
                own_machine.set_dmi(**DMIS[vendor])
                with MetadataServer(vendor):
                    self.assertEqual(self.registered(PILLION_SHARE="account"),
                                     dict(FACTS[vendor], cloud_vendor_id=vendor, cloud_account_id=account))

    def test_without_a_word_in_dmi_nobody_is_asked_unless_told_to(self):
        with MetadataServer(*VENDORS) as service:
            self.assertEqual(self.registered(), {})
            self.assertEqual(service.requests, [])
        for vendor in VENDORS:
            with self.subTest(vendor), MetadataServer(vendor):
                self.assertEqual(self.registered(PILLION_CLOUD="probe"), dict(FACTS[vendor], cloud_vendor_id=vendor))

    def test_the_first_in_the_order_of_precedence_counts(self):
        left = list(VENDORS)
        while left:
            with MetadataServer(*left):
                self.assertEqual(self.registered(PILLION_CLOUD="probe"), dict(FACTS[left[0]], cloud_vendor_id=left[0]))
            left = left[3:]

    def test_china_is_aws_too(self):
        own_machine.set_dmi(**DMIS["aws"])
        path = "/latest/meta-data/placement/"
        self.play("aws", answers={"/latest/meta-data/services/domain": "amazonaws.com.cn", path + "region": "cn-north-1",
                                  path + "availability-zone": "cn-north-1a"})
        self.assertEqual(self.registered(), dict(cloud_vendor_id="aws", cloud_region_id="cn-north-1",
                                                 cloud_zone_id="cn-north-1a", cloud_instance_type="c7i.2xlarge"))

    def test_hetzners_server_number_is_no_type(self):
        own_machine.set_dmi(**DMIS["hcloud"])
        self.play("hcloud")
        self.assertIn("instance-id: 41234567", HCLOUD)
        self.assertNotIn("cloud_instance_type", self.registered())

    def test_an_instance_on_xen_is_asked_as_one_on_nitro(self):
        own_machine.set_dmi(**XEN)
        self.play("aws")
        self.assertEqual(self.registered(), dict(FACTS["aws"], cloud_vendor_id="aws"))

    def test_another_openstack_is_not_ovh(self):
        own_machine.set_dmi(**DMIS["ovh"])
        self.play("ovh", answers={"/openstack/latest/network_data.json": '{"services":[{"type":"dns","address":"9.9.9.9"}]}'})
        self.assertEqual(self.registered(), {})

    def test_what_is_missing_is_left_out(self):
        own_machine.set_dmi(**DMIS["gcp"])
        self.play("gcp", answers={"/computeMetadata/v1/instance/machine-type": None})
        self.assertEqual(self.registered(), dict(cloud_vendor_id="gcp", cloud_region_id="europe-west4",
                                                 cloud_zone_id="europe-west4-a"))

    def test_the_command_run_asks_as_well(self):
        own_machine.set_dmi(**DMIS["gcp"])
        self.play("gcp")
        result = self.pillion("run", "--", "sleep", "0.3")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.only_run()["registration"]["cloud_zone_id"], "europe-west4-a")
        self.assertDelivered(self.only_run())


class Troubles(CloudTest):
    """Services that do not answer, or that others answer for. Where DMI leaves no doubt the vendor is known without."""

    known = {"aws": dict(cloud_vendor_id="aws", cloud_instance_type="c7i.2xlarge"), "gcp": dict(cloud_vendor_id="gcp"),
             "azure": {}, "hcloud": dict(cloud_vendor_id="hcloud"), "upcloud": dict(cloud_vendor_id="upcloud"),
             "vultr": dict(cloud_vendor_id="vultr"), "alicloud": dict(cloud_vendor_id="alicloud"), "ovh": {}}

    def test_what_is_no_answer_of_the_vendors_is_not_taken_for_one(self):
        faults = [dict(fault="html"), dict(fault="plain"), dict(fault="plain", text="{}"), dict(fault="refused"),
                  dict(fault="plain", text="m5.large"), dict(fault="plain", text="")]
        for fault in faults:
            with self.subTest(**fault), MetadataServer(**fault) as service:
                self.assertEqual(self.registered(PILLION_CLOUD="probe"), {})
                self.assertGreaterEqual(len(service.requests), 11)

    def test_dmi_alone_names_most_vendors(self):
        for vendor, facts in self.known.items():
            with self.subTest(vendor), MetadataServer(fault="refused"):
                own_machine.set_dmi(**DMIS[vendor])
                self.assertEqual(self.registered(), facts)

    def test_nobody_is_there(self):
        for vendor in ("aws", "alicloud", "azure"):
            with self.subTest(vendor):
                own_machine.set_dmi(**DMIS[vendor])
                self.assertEqual(self.registered(), self.known[vendor])

    def test_a_redirect_is_not_followed(self):
        with StrictServerOfNothing() as elsewhere, MetadataServer(fault="redirect", elsewhere=elsewhere.url + "/x"):
            self.assertEqual(self.registered(PILLION_CLOUD="probe"), {})
            self.assertEqual(elsewhere.requests, [])

    def test_registration_waits_a_second_at_most_and_rows_do_not(self):
        own_machine.set_dmi(**DMIS["aws"])
        for fault in ("hang", "drip", "huge", "silent"):
            with self.subTest(fault), contextlib.ExitStack() as stack:
                self.server.requests.clear()
                service = Silent(LINK_LOCAL, ALIBABA) if fault == "silent" else MetadataServer(fault=fault)
                stack.enter_context(service)
                began = time.time()
                self.assertEqual(self.registered(PILLION_CLOUD="probe"), self.known["aws"])
                registered = self.server.of("register")[0].time
                self.assertLess(registered - began, 0.1 + SECOND + SLACK)
                if fault != "huge":  # its answer is longer than any may be, which is told earlier
                    self.assertGreater(registered - began, SECOND)
                    run = max(self.runs(), key=lambda one: one.path.stat().st_mtime)
                    meanwhile = [row for row in run.rows if row["timestamp"] < registered]
                    self.assertGreaterEqual(len(meanwhile), 4)

    def test_the_end_of_a_short_program_waits_less(self):
        """200 ms of its hold; the rest of the machine's business is not ours to measure."""
        own_machine.set_dmi(**DMIS["aws"])
        with Silent(LINK_LOCAL, ALIBABA):
            result = self.python("pass", env=self.env(PILLION_INTERVAL="1"))
            self.assertDelivered(self.only_run())
        self.assertEqual(self.only_run()["registration"]["cloud_vendor_id"], "aws")
        self.assertLess(result.wall, 0.2 + SLACK)

    def test_a_short_program_is_registered_with_all_of_it(self):
        own_machine.set_dmi(**DMIS["aws"])
        self.play("aws")
        self.assertEqual(self.registered(0, PILLION_INTERVAL="1"), dict(FACTS["aws"], cloud_vendor_id="aws"))

    def test_an_end_without_network_asks_nobody(self):
        own_machine.set_dmi(**DMIS["aws"])
        service = self.play("aws")
        self.python("pass", env=self.env(PILLION_INTERVAL="1", PILLION_EXIT_TIMEOUT="0"))
        self.server.down()
        self.python("pass", env=self.env(PILLION_CLOUD="off", PILLION_DIR=self.tmp / "another"))
        self.server.up()  # the API's mark stands from now on
        self.python("pass", env=self.env(PILLION_INTERVAL="1"))
        self.assertEqual(service.requests, [])
        self.assertEqual(self.server.requests, [])
        self.assertEqual([(run["state"], run["registration"]["cloud_vendor_id"]) for run in self.runs()],
                         [("undelivered", "aws")] * 2)  # what DMI says costs nothing

    def test_a_killed_program_is_registered_by_sync_with_what_stands(self):
        own_machine.set_dmi(**DMIS["aws"])
        self.play("aws")
        self.server.fault("register", "*", status=503)
        program = self.start(PYTHON, "-S", "-c", "import time; time.sleep(60)")
        pillion.wait_for(lambda: self.server.of("register"))
        program.kill()
        self.server.heal()
        self.sync()
        self.assertEqual(self.server.finished_runs()[0]["registration"]["cloud_zone_id"], "eu-west-1b")
        own_machine.set_dmi(**HOME)

    def test_a_thread_that_has_to_step_aside_meanwhile_goes_on_with_what_stands(self):
        if pillion.run(["unshare", "-U", "true"], preload=False).status:
            self.skipTest(pillion.forbidden("unshare -U"))
        own_machine.set_dmi(**DMIS["aws"])
        text = "import ctypes, os, time\n" \
               "while not os.path.exists('asked'): time.sleep(0.01)\n" \
               "libc = ctypes.CDLL(None, use_errno=True)\n" \
               "assert libc.unshare(0x10000000) == 0, ctypes.get_errno()\n" \
               "time.sleep(0.3)"  # CLONE_NEWUSER: not while there is another thread
        with MetadataServer(fault="hang") as service:
            program = self.start(PYTHON, "-S", "-c", text)
            pillion.wait_for(lambda: service.requests)
            (self.work / "asked").touch()
            result = program.wait()
        self.assertSilent(result)
        self.assertIn({"paused": True}, self.only_run().lines)
        self.assertEqual(self.assertDelivered(self.only_run())["registration"]["cloud_vendor_id"], "aws")

    def test_one_killed_in_the_midst_of_it_is_registered_without(self):
        own_machine.set_dmi(**DMIS["aws"])
        with MetadataServer(fault="hang") as service:
            program = self.start(PYTHON, "-S", "-c", "import time; time.sleep(60)")
            pillion.wait_for(lambda: service.requests)
            program.kill()
        self.assertEqual(self.server.requests, [])
        self.sync()
        body = self.server.finished_runs()[0]["registration"]
        self.assertEqual([name for name in body if name.startswith("cloud_")], [])
        self.assertIn("host_vcpus", body)


class StrictServerOfNothing(StrictServer):
    """Records that it was asked at all."""

    def classify(self, request):
        return None, {}


class Manners(CloudTest):
    def test_no_proxy_is_ever_asked(self):
        own_machine.set_dmi(**DMIS["gcp"])
        self.play("gcp")
        with MetadataServer(fault="plain", addresses=("127.0.0.2",)) as proxy:
            url = "http://127.0.0.2:80"
            facts = self.registered(http_proxy=url, HTTP_PROXY=url, all_proxy=url, ALL_PROXY=url, no_proxy="127.0.0.1")
            self.assertEqual(facts, dict(FACTS["gcp"], cloud_vendor_id="gcp"))
            self.assertEqual(proxy.requests, [])

    def test_without_a_token_no_packet_leaves(self):
        own_machine.set_dmi(**DMIS["aws"])
        service = self.play("aws")
        with own_machine.Packets() as packets:
            for word in ("auto", "probe"):
                result = self.python("import time; time.sleep(0.4)",
                                     env=self.env(SENTINEL_API_TOKEN="", PILLION_CLOUD=word, PILLION_SHARE="all"))
                self.assertSilent(result)
            self.assertEqual(packets.seen(), set())
            self.registered()
            self.assertIn((LINK_LOCAL, 80), packets.seen())  # it does see them
        self.assertEqual([run["state"] for run in self.runs()].count("local"), 2)
        self.assertGreater(len(service.requests), 0)

    def test_switched_off_nobody_is_asked_and_nothing_said(self):
        own_machine.set_dmi(**DMIS["aws"])
        service = self.play("aws")
        with own_machine.Packets() as packets:
            self.assertEqual(self.registered(PILLION_CLOUD="off"), {})
            self.assertEqual({address for address, _ in packets.seen()}, {"127.0.0.1"})
        self.assertEqual(service.requests, [])

    def test_only_the_vendor_that_dmi_names_is_asked(self):
        own_machine.set_dmi(**DMIS["hcloud"])
        service = self.play(*VENDORS)
        self.registered(PILLION_CLOUD="probe")
        self.assertEqual([one[1:3] for one in service.requests], [("GET", "/hetzner/v1/metadata")])

    def test_a_run_that_goes_on_over_exec_does_not_ask_again(self):
        own_machine.set_dmi(**DMIS["gcp"])
        service = self.play("gcp")
        text = "import os, sys, time; time.sleep(0.5); n = int(sys.argv[1]); " \
               "n and os.execv(sys.executable, [sys.executable, '-S', '-c', sys.argv[2], str(n - 1), sys.argv[2]])"
        self.launch(PYTHON, "-S", "-c", text, "2", text)
        run = self.only_run()
        self.assertDelivered(run)
        self.assertEqual(len(self.server.of("register")), 1)
        self.assertEqual(len(service.requests), 2)
        self.assertEqual(run["registration"]["cloud_zone_id"], "europe-west4-a")

    def test_what_an_image_before_the_exec_could_not_register_is_not_asked_again(self):
        own_machine.set_dmi(**DMIS["gcp"])
        service = self.play("gcp")
        self.server.fault("register", 1, status=503, headers={"Retry-After": "1"})
        text = "import os, sys, time; time.sleep(0.5); " \
               "os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(0.3)'])"
        self.launch(PYTHON, "-S", "-c", text)
        self.assertDelivered(self.only_run())
        self.assertEqual(len(service.requests), 2)
        self.assertEqual(self.server.finished_runs()[0]["registration"]["cloud_vendor_id"], "gcp")

    def test_run_jsonl_has_the_registration_without_the_cloud_first(self):
        own_machine.set_dmi(**DMIS["gcp"])
        self.play("gcp")
        self.registered()
        bodies = [line["registration"] for line in self.only_run().lines if "registration" in line]
        self.assertEqual(len(bodies), 2)
        first = {name: value for name, value in bodies[1].items() if not name.startswith("cloud_")}
        self.assertEqual(bodies[0], first)
        self.assertEqual(json.dumps(bodies[1])[:len(json.dumps(bodies[0])) - 1], json.dumps(bodies[0])[:-1])


if __name__ == "__main__":
    pillion.main()
