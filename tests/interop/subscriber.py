#!/usr/bin/env python3
"""A telephone with a lamp (RFC 6665, 3842, 7616), written without a look at Restante's code.

    subscriber.py --server HOST:PORT --box BOX --user NAME --password PASSWORD

It subscribes, prints a line for each NOTIFY (its state, and whether messages wait), and unsubscribes when some do.
"""

import argparse
import hashlib
import re
import socket
import uuid

PATIENCE_SECS = 20


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Telephone:
    def __init__(self, arguments):
        host, port = arguments.server.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_SECS)
        self.socket.connect((host, int(port)))
        self.local = "%s:%d" % self.socket.getsockname()
        self.uri = "sip:%s@%s" % (arguments.box, arguments.server)
        self.to = "<%s>" % self.uri
        self.user, self.password = arguments.user, arguments.password
        self.call_id, self.seq, self.proofs = uuid.uuid4().hex, 0, 0

    def subscribe(self, expires, challenge=None):
        self.seq += 1
        lines = [
            "SUBSCRIBE %s SIP/2.0" % self.uri,
            "Via: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s" % (self.local, uuid.uuid4().hex),
            "Max-Forwards: 70",
            "From: <sip:%s@%s>;tag=lamp" % (self.user, self.local),
            "To: %s" % self.to,
            "Call-ID: %s" % self.call_id,
            "CSeq: %d SUBSCRIBE" % self.seq,
            "Contact: <sip:%s@%s>" % (self.user, self.local),
            "Event: message-summary",
            "Accept: application/simple-message-summary",
            "Expires: %d" % expires,
        ]
        if challenge:
            lines.append("Authorization: " + self.proof(challenge))
        self.socket.send(("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode())

    def proof(self, challenge):
        self.proofs += 1
        count, cnonce = "%08x" % self.proofs, uuid.uuid4().hex
        secret = sha256("%s:%s:%s" % (self.user, challenge["realm"], self.password))
        what = sha256("SUBSCRIBE:" + self.uri)
        response = sha256(":".join([secret, challenge["nonce"], count, cnonce, "auth", what]))
        return (
            'Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=SHA-256, '
            'qop=auth, nc=%s, cnonce="%s"'
            % (self.user, challenge["realm"], challenge["nonce"], self.uri, response, count, cnonce)
        )

    def read(self):
        head, _, body = self.socket.recv(65536).decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return lines[0], headers, body

    def acknowledge(self, headers):
        copied = [
            "%s: %s" % (name, value)
            for name, value in headers
            if name.lower() in ("via", "from", "to", "call-id", "cseq")
        ]
        self.socket.send(("\r\n".join(["SIP/2.0 200 OK"] + copied) + "\r\nContent-Length: 0\r\n\r\n").encode())


def value(headers, name):
    return next((value for known, value in headers if known.lower() == name), "")


def challenge(headers):
    offered = [value for name, value in headers if name.lower() == "www-authenticate" and "SHA-256" in value]
    return dict(re.findall(r'(\w+)="([^"]*)"', offered[0]))


def main():
    parser = argparse.ArgumentParser()
    for name in ("server", "box", "user", "password"):
        parser.add_argument("--" + name, required=True)
    telephone = Telephone(parser.parse_args())
    wanted, asked, latest = 3600, 0, None
    telephone.subscribe(wanted)
    while True:
        start, headers, body = telephone.read()
        if start.startswith("SIP/2.0 401") and asked == 0:
            asked, latest = 1, challenge(headers)
            telephone.subscribe(wanted, latest)
        elif start.startswith("SIP/2.0 200"):
            telephone.to = value(headers, "to")
            telephone.uri = value(headers, "contact").strip("<>")
        elif start.startswith("SIP/2.0 1"):
            continue
        elif start.startswith("SIP/2.0"):
            print("refused", start.split(" ")[1], flush=True)
            return
        elif start.startswith("NOTIFY "):
            telephone.acknowledge(headers)
            state = value(headers, "subscription-state").split(";")[0]
            print(state, body.split("\r\n")[0], flush=True)
            if state == "terminated":
                return
            if body.startswith("Messages-Waiting: yes"):
                wanted = 0
                telephone.subscribe(wanted, latest)


main()
