# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, by the openssl command.

    authority = Authority(folder)
    context = authority.context("bucket.s3.eu-central-1.amazonaws.com")     for a server
    ... SSL_CERT_FILE=authority.path ...                                    for a client
"""
import pathlib
import ssl
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words):
    done = subprocess.run(["openssl"] + [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (words[0], done.stdout.decode(errors="replace")))


class Authority:
    def __init__(self, folder, name="tests"):
        self.folder, self.number = pathlib.Path(folder), 0
        self.path, self.key = self.folder / (name + "-ca.pem"), self.folder / (name + "-ca.key")
        openssl("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.path,
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def certificate(self, *names, expired=False):
        """Files of a certificate for these names and of its key."""
        self.number += 1
        stem = self.folder / ("%s-%d" % (self.path.stem, self.number))
        request, key, path, extensions = [stem.with_suffix(end) for end in (".csr", ".key", ".pem", ".ext")]
        extensions.write_text("subjectAltName=%s\n" % ",".join("DNS:" + name for name in names))
        openssl("req", "-new", *KEY, "-subj", "/CN=" + names[0][:64], "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-out", path,
                "-extfile", extensions, "-days", "-1" if expired else "2")
        return path, key

    def context(self, *names, expired=False, version=None):
        """For a server with such a certificate, that speaks this version of TLS alone."""
        path, key = self.certificate(*names, expired=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(path), str(key))
        if version is not None:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.maximum_version = version
            context.minimum_version = version
        return context
