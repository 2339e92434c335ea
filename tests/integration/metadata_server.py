# SPDX-License-Identifier: Apache-2.0
"""The clouds' metadata services as their vendors document them, for tests, at their true addresses. Standard library only.

It is for a network namespace of the test's own: it binds port 80 of 169.254.169.254 and 100.100.100.200.
"""
import http.server
import json
import socket
import socketserver
import threading
import time

LINK_LOCAL, ALIBABA = "169.254.169.254", "100.100.100.200"
AWS_TOKEN = "AQAEAGqZ3e-4YkZ1_example+token/Zw=="
ALICLOUD_TOKEN = "BAAEE2tWbWl0L3h5eg=="

ACCOUNTS = {"aws": "123456789012", "gcp": "my-project-4711", "azure": "8d10da13-8125-4ba9-a717-bf7490507b3d",
            "alicloud": "1609876543210987", "ovh": "3f1f6c0fcb2a4f3d9a1d2f0b5a9e7c61"}

AZURE = {"compute": {
    "azEnvironment": "AzurePublicCloud", "customData": "", "isHostCompatibilityLayerVm": "false", "location": "westeurope",
    "name": "a-name", "offer": "debian-12", "osType": "Linux", "plan": {"name": "", "product": "", "publisher": ""},
    "provider": "Microsoft.Compute", "publicKeys": [{"keyData": "ssh-rsa AAAA", "path": "/home/u/.ssh/authorized_keys"}],
    "resourceGroupName": "a-group", "subscriptionId": ACCOUNTS["azure"], "tags": "Team:A\"B;x:y",
    "tagsList": [{"name": "Team", "value": "A\"B"}], "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
    "vmSize": "Standard_D4s_v5", "zone": "2"},
    "network": {"interface": [{"ipv4": {"ipAddress": [{"privateIpAddress": "10.0.0.4", "publicIpAddress": ""}]}}]}}

HCLOUD = """availability-zone: fsn1-dc14
hostname: my-server
instance-id: 41234567
local-ipv4: ''
network-config:
  config:
  - name: eth0
    region: not-this-one
  version: 1
public-ipv4: 203.0.113.7
public-keys: []
region: eu-central
vendor_data: |
  Content-Type: multipart/mixed
  instance-id: 1
"""

UPCLOUD = {"cloud_name": "upcloud", "instance_id": "00bf9504-a4cb-4839-88ff-124a2c95e169", "hostname": "a.example.com",
           "platform": "servers", "subplatform": "metadata (http://169.254.169.254)", "public_keys": ["ssh-rsa AAAA"],
           "region": "fi-hel2", "network": {"interfaces": [{"index": 1, "type": "public"}], "dns": ["94.237.127.9"]},
           "storage": {"disks": [{"id": "014e", "size": 25600, "type": "disk"}]}, "tags": [], "user_data": "",
           "vendor_data": ""}

VULTR = {"bgp": {"ipv4": {"my-address": "", "my-asn": ""}}, "hostname": "vultr-guest", "instanceid": "a747bfz6385e",
         "instance-v2-id": "36e9cf60-5d93-4e31-8ebf-613b3d2874fb", "interfaces": [{"ipv4": {"address": "192.0.2.2"}}],
         "public-keys": ["ssh-rsa AAAA"], "region": {"regioncode": "EWR"}, "user-defined": []}

OVH_NETWORK = {"links": [{"id": "tap1", "type": "phy", "mtu": 1500}],
               "networks": [{"id": "network0", "type": "ipv4", "ip_address": "192.0.2.9"}],
               "services": [{"type": "dns", "address": "10.1.1.1"}, {"type": "dns", "address": "213.186.33.99"}]}
OVH_MACHINE = {"uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38", "availability_zone": "eu-west-par-a", "name": "a",
               "hostname": "a.novalocal", "project_id": ACCOUNTS["ovh"], "launch_index": 0, "devices": [], "keys": []}


def _aws(domain):
    return {"/latest/meta-data/services/domain": domain, "/latest/meta-data/instance-type": "c7i.2xlarge",
            "/latest/meta-data/placement/region": "eu-west-1",
            "/latest/meta-data/placement/availability-zone": "eu-west-1b",
            "/latest/meta-data/identity-credentials/ec2/info": json.dumps(
                {"Code": "Success", "LastUpdated": "2026-01-02T03:04:05Z", "AccountId": ACCOUNTS["aws"]}, indent=2)}


# vendor: (address, what each GET gives, the headers that it must have, headers of the answer, the token's name and text)
VENDORS = {
    "aws": (LINK_LOCAL, _aws("amazonaws.com"), {}, {"Server": "EC2ws"}, ("X-aws-ec2-metadata-token", AWS_TOKEN)),
    "gcp": (LINK_LOCAL, {
        "/computeMetadata/v1/instance/machine-type": "projects/112233445566/machineTypes/n2-custom-4-8192",
        "/computeMetadata/v1/instance/zone": "projects/112233445566/zones/europe-west4-a",
        "/computeMetadata/v1/project/project-id": ACCOUNTS["gcp"]},
        {"Metadata-Flavor": "Google"}, {"Metadata-Flavor": "Google"}, None),
    "azure": (LINK_LOCAL, {"/metadata/instance": json.dumps(AZURE)}, {"Metadata": "true"}, {}, None),
    "hcloud": (LINK_LOCAL, {"/hetzner/v1/metadata": HCLOUD}, {}, {}, None),
    "upcloud": (LINK_LOCAL, {"/metadata/v1.json": json.dumps(UPCLOUD)}, {}, {}, None),
    "vultr": (LINK_LOCAL, {"/v1.json": json.dumps(VULTR, indent=4)}, {}, {}, None),
    "alicloud": (ALIBABA, {"/latest/meta-data/instance/instance-type": "ecs.g7.xlarge",
                           "/latest/meta-data/region-id": "cn-hangzhou", "/latest/meta-data/zone-id": "cn-hangzhou-i",
                           "/latest/meta-data/owner-account-id": ACCOUNTS["alicloud"]},
                 {}, {}, ("X-aliyun-ecs-metadata-token", ALICLOUD_TOKEN)),
    "ovh": (LINK_LOCAL, {"/openstack/latest/network_data.json": json.dumps(OVH_NETWORK),
                         "/openstack/latest/meta_data.json": json.dumps(OVH_MACHINE),
                         "/latest/meta-data/instance-type": "b3-8"}, {}, {}, None),
}
# What each vendor's machines are registered with, without an account.
FACTS = {
    "aws": dict(cloud_region_id="eu-west-1", cloud_zone_id="eu-west-1b", cloud_instance_type="c7i.2xlarge"),
    "gcp": dict(cloud_region_id="europe-west4", cloud_zone_id="europe-west4-a", cloud_instance_type="n2-custom-4-8192"),
    "azure": dict(cloud_region_id="westeurope", cloud_zone_id="2", cloud_instance_type="Standard_D4s_v5"),
    "hcloud": dict(cloud_region_id="eu-central", cloud_zone_id="fsn1-dc14"),
    "upcloud": dict(cloud_region_id="fi-hel2"),
    "vultr": dict(cloud_region_id="EWR"),
    "alicloud": dict(cloud_region_id="cn-hangzhou", cloud_zone_id="cn-hangzhou-i", cloud_instance_type="ecs.g7.xlarge"),
    "ovh": dict(cloud_region_id="eu-west-par", cloud_zone_id="eu-west-par-a", cloud_instance_type="b3-8"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.owner = self.server.owner
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.owner.requests.append((self.server.server_address[0], self.command, self.path, dict(self.headers.items())))
        self.owner.reply(self)

    do_PUT = do_POST = do_HEAD = do_GET

    def send(self, status, body, headers):
        body = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass


class MetadataServer:
    """Plays these vendors at once. Everything it was asked is in `requests`: (address, method, path, headers).

    fault: None; "hang": takes the request and stays silent; "html": a page with 200 to everything; "drip": the answer
    byte by byte; "huge": endless; "redirect": to `elsewhere`; "refused": 403 to everything; "plain": `text` with 200."""

    def __init__(self, *vendors, fault=None, answers=None, elsewhere="", text="ok", addresses=(LINK_LOCAL, ALIBABA)):
        self.vendors, self.fault, self.elsewhere, self.text = vendors, fault, elsewhere, text
        self.answers = answers or {}  # path: the body in place of the vendor's own; None: 404
        self.requests, self.complaints = [], []
        self.stopping = threading.Event()
        self.listeners = []
        for address in addresses:
            listener = Listener((address, 80), Handler)
            listener.owner = self
            threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
            self.listeners.append(listener)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for listener in self.listeners:
            listener.shutdown()
            listener.server_close()

    def reply(self, handler):
        fault = getattr(self, "_" + self.fault) if self.fault else self._answer
        try:
            fault(handler)
        except OSError:
            pass

    def _hang(self, handler):
        self.stopping.wait(30)

    def _html(self, handler):
        handler.send(200, "<!DOCTYPE html><html><body>Please log in</body></html>", {"Content-Type": "text/html"})

    def _plain(self, handler):
        handler.send(200, self.text, {"Metadata-Flavor": "Google"})

    def _refused(self, handler):
        handler.send(403, "forbidden", {})

    def _redirect(self, handler):
        handler.send(302, "", {"Location": self.elsewhere})

    def _drip(self, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not self.stopping.wait(0.05):
            handler.wfile.write(b"a")

    def _huge(self, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.stopping.is_set():
            handler.wfile.write(b"a" * 65536)

    def _answer(self, handler):
        address, path = handler.server.server_address[0], handler.path.split("?")[0]
        for name in self.vendors:
            where, answers, wanted, headers, token = VENDORS[name]
            if where != address:
                continue
            if token and path == "/latest/api/token" and handler.command == "PUT":
                lifetime = handler.headers.get(token[0] + "-ttl-seconds", "")
                good = lifetime.isdigit() and 1 <= int(lifetime) <= 21600
                return handler.send(200 if good else 400, token[1] if good else "", headers)
            if path not in answers or handler.command != "GET":
                continue
            if any(handler.headers.get(key) != value for key, value in wanted.items()):
                return handler.send(403, "", {})
            if token and handler.headers.get(token[0]) != token[1]:
                return handler.send(401, "", headers)
            if name == "azure" and "api-version=" not in handler.path:
                return handler.send(400, '{"error":"Bad request. api-version was not specified in the request."}', {})
            body = self.answers.get(path, answers[path])
            return handler.send(404 if body is None else 200, body or "", headers)
        handler.send(404, "not found\n", {})


class Silent:
    """Addresses that do not even answer a SYN: nobody takes connections off a queue that is full."""

    def __init__(self, *addresses):
        self.sockets = []
        for address in addresses:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, 80))
            listener.listen(0)
            self.sockets.append(listener)
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex((address, 80))
                self.sockets.append(filler)
        time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.sockets:
            one.close()
