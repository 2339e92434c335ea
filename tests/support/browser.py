# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, driven over the DevTools protocol through two pipes: no port, no library.

A page's console, its errors and all that it asks of a network are kept: page.console, page.requests."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program():
    return next((found for found in map(shutil.which, PROGRAMS) if found), None)


class Browser:
    """With `with`; `folder` holds its profile. It sees nothing of the caller's environment but PATH."""

    def __init__(self, folder):
        self.number = 0
        self.events = []
        here, there = os.pipe(), os.pipe()  # what we write, what we read
        self.write, self.read = here[1], there[0]

        def descriptors():
            inner = os.dup(here[0]), os.dup(there[1])  # away from 3 and 4
            os.dup2(inner[0], 3)
            os.dup2(inner[1], 4)

        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
                     "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--user-data-dir=%s" % folder, "about:blank"]
        self.process = subprocess.Popen([program()] + arguments, preexec_fn=descriptors, close_fds=False,
                                        start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL,
                                        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "UTC"})
        os.close(here[0])
        os.close(there[1])
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.write)
        os.close(self.read)

    def _message(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                raise RuntimeError("the browser does not answer")
            more = os.read(self.read, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, patience=60, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + patience
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def page(self, width=1400, height=900, ratio=1, dark=False, touch=False):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, width, height, ratio, dark, touch)


class Page:
    def __init__(self, browser, session, width, height, ratio, dark, touch):
        self.browser, self.session = browser, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False)
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        self.scheme(dark)
        if touch:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def scheme(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, path, patience=60):
        self.call("Page.navigate", url="file://%s" % path)
        deadline = time.monotonic() + patience
        while not self.value("document.getElementById('page')?.dataset.ready || document.querySelector('p.bad') && 'bad'"):
            if time.monotonic() > deadline:
                raise RuntimeError("%s does not get ready: %s" % (path, self.console))
            time.sleep(0.05)
        self.settle()

    def settle(self):
        """Until two frames have been drawn."""
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError("%s: %s" % (expression, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def _mine(self, *methods):
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session and event.get("method") in methods]

    @property
    def console(self):
        """What was said on the console, errors and breaches of the page's policy."""
        return self._mine("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")

    @property
    def requests(self):
        """What was asked for, but for the page itself."""
        asked = [event["request"]["url"] for event in self._mine("Network.requestWillBeSent")]
        return [url for url in asked if not url.startswith(("file:", "about:", "blob:"))]

    def mouse(self, kind, x, y, button="none", **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1, **more)

    def touch(self, kind, *points):
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)])

    def key(self, key, code=None):
        text = key if len(key) == 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, code=code or key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key)

    def picture(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"])
