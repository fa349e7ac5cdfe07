#!/usr/bin/env python3
"""An MSRP endpoint (RFC 4975) written without a look at Restante's code: it sends one file or receives one.

    endpoint.py send    --path URI --local URI --file FILE --message-id ID [--chunk OCTETS] --result FILE
    endpoint.py receive --local URI (--path URI | --listen) --file FILE --result FILE [--tell HOST:PORT/CALL-ID]
    further, for a path of msrps: --tls-cert FILE --tls-key FILE --tls-peer SHA-256 of the other end's certificate

Its result is one JSON object. A receiver that listens prints its port first. With --tell it lets the signalling half
of its phone know, by a SIP request on that half's own UDP port, that the file is there.
"""

import argparse
import hashlib
import json
import os
import re
import socket
import ssl
import sys

PATIENCE_SECS = 20
START_LINE = re.compile(rb"MSRP ([A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}) ([^\r\n]+)\r\n")


class Peer:
    """The other end of one TCP connection, as frames."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(PATIENCE_SECS)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def write(self, octets):
        self.connection.sendall(octets)

    def frame(self):
        """The next frame: transaction id, method or status, headers, body, continuation flag."""
        while True:
            start = START_LINE.match(self.unread)
            if start:
                tid = start.group(1)
                end = re.search(rb"\r\n-------" + re.escape(tid) + rb"([$#+])\r\n", self.unread[start.end() - 2:])
                if end:
                    content = self.unread[start.end():start.end() - 2 + end.start()]
                    self.unread = self.unread[start.end() - 2 + end.end():]
                    head, _, body = content.partition(b"\r\n\r\n")
                    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
                    return tid.decode(), start.group(2).decode(), headers, body, end.group(1).decode()
            elif b"\r\n" in self.unread:
                raise ValueError(f"not MSRP: {self.unread[:80]!r}")
            piece = self.connection.recv(65536)
            if not piece:
                raise EOFError("the other end has closed")
            self.unread += piece


def port_of(uri):
    """Host and port of an MSRP URI."""
    host, port = re.match(r"msrps?://(?:[^@/]*@)?([^/;]*):(\d+)/", uri).groups()
    return host.strip("[]"), int(port)


def dial(args):
    """Connects to the first URI of the path, over TLS if it says so."""
    uri = args.path.split(" ")[0]
    host, port = port_of(uri)
    connection = socket.create_connection((host, port))
    if not uri.startswith("msrps:"):
        return Peer(connection)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the fingerprint of the other end's description decides
    context.load_cert_chain(args.tls_cert, args.tls_key)
    secured = context.wrap_socket(connection, server_hostname=host)
    shown = hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest()
    if shown != args.tls_peer.replace(":", "").lower():
        raise ValueError(f"not the certificate of the description: {shown}")
    return Peer(secured)


def request(tid, method, to, frm, headers, body=None, flag="$"):
    lines = [f"MSRP {tid} {method}", f"To-Path: {to}", f"From-Path: {frm}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(lines).encode() + b"\r\n"
    content = b"" if body is None else b"\r\n" + body + b"\r\n"
    return head + content + f"-------{tid}{flag}\r\n".encode()


def response(tid, headers):
    return request(tid, "200 OK", headers["From-Path"].split(" ")[0], headers["To-Path"].split(" ")[0], [])


def send(args):
    with open(args.file, "rb") as file:
        content = file.read()
    peer = dial(args)
    total, sent, answers, reports = len(content), 0, [], []
    number = 0
    while sent < total or number == 0:
        piece = content[sent:sent + args.chunk]
        end = "*" if len(piece) > 2048 else sent + len(piece)
        headers = [
            ("Message-ID", args.message_id),
            ("Success-Report", "yes"),
            ("Byte-Range", f"{sent + 1}-{end}/{total}"),
            ("Content-Type", "audio/x-wav"),
        ]
        number += 1
        sent += len(piece)
        flag = "$" if sent == total else "+"
        peer.write(request(f"py{number:06}", "SEND", args.path, args.local, headers, piece, flag))
    final = f"1-{total}/{total}"
    while len(answers) < number or not any(report["range"] == final for report in reports):
        tid, what, headers, _, _ = peer.frame()
        if what == "REPORT":
            reports.append({"range": headers["Byte-Range"], "status": headers["Status"], "id": headers["Message-ID"]})
        else:
            answers.append([tid, what])
    return {
        "chunks": number,
        "accepted": sum(what.startswith("200") for _, what in answers),
        "in_order": [tid for tid, _ in answers] == [f"py{n:06}" for n in range(1, number + 1)],
        "reports": reports,
    }


def connect(args):
    """Active: connects and says hello, so that the other end knows who is there. Passive: waits."""
    if not args.listen:
        peer = dial(args)
        hello = [("Message-ID", "hello"), ("Byte-Range", "1-0/0")]
        peer.write(request("hello001", "SEND", args.path, args.local, hello))
        return peer
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(PATIENCE_SECS)
    print(listener.getsockname()[1], flush=True)
    return Peer(listener.accept()[0])


def receive(args):
    peer = connect(args)
    content, chunks, hello, interruptible = {}, 0, None, 0
    while True:
        tid, what, headers, body, flag = peer.frame()
        if tid == "hello001":
            hello = what
            continue
        if what != "SEND":
            raise ValueError(f"neither our answer nor a SEND: {what}")
        peer.write(response(tid, headers))
        if "Content-Type" not in headers:
            continue
        chunks += 1
        start, end, total = re.match(r"(\d+)-(\d+|\*)/(\d+|\*)$", headers["Byte-Range"]).groups()
        interruptible += end == "*"
        if end != "*" and int(end) != int(start) - 1 + len(body):
            raise ValueError(f"{headers['Byte-Range']} has {len(body)} octets")
        content[int(start)] = body
        if flag == "$":
            break
    whole, at = b"", 1
    for start in sorted(content):
        if start != at:
            raise ValueError(f"octet {at} is missing")
        whole += content[start]
        at += len(content[start])
    with open(args.file, "wb") as file:
        file.write(whole)
    if headers.get("Success-Report") == "yes":
        report = [
            ("Message-ID", headers["Message-ID"]),
            ("Byte-Range", f"1-{len(whole)}/{len(whole)}"),
            ("Status", "000 200 OK"),
        ]
        paths = headers["From-Path"], headers["To-Path"]
        peer.write(request("report01", "REPORT", *paths, report))
    return {
        "chunks": chunks,
        "hello": hello,
        "interruptible": interruptible,
        "declared": int(total),
        "sha256": hashlib.sha256(whole).hexdigest(),
        "type": headers["Content-Type"],
        "disposition": headers.get("Content-Disposition"),
        "to": headers["To-Path"],
    }


def tell(where):
    address, call_id = where.split("/", 1)
    host, port = address.rsplit(":", 1)
    text = (
        f"OPTIONS sip:phone@{address} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKmedia\r\n"
        f"From: <sip:media@localhost>;tag=m\r\nTo: <sip:phone@localhost>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n"
        f"Max-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(text.encode(), (host, int(port)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["send", "receive"])
    for name in ["path", "local", "file", "message-id", "result", "tell", "tls-cert", "tls-key", "tls-peer"]:
        parser.add_argument(f"--{name}")
    parser.add_argument("--chunk", type=int, default=2048)
    parser.add_argument("--listen", action="store_true")
    args = parser.parse_args()
    try:
        result = send(args) if args.role == "send" else receive(args)
    except Exception as error:  # whoever waits for the result learns why there is none
        result = {"error": repr(error)}
    with open(args.result + ".part", "w") as file:
        json.dump(result, file)
    os.rename(args.result + ".part", args.result)
    if args.tell:
        tell(args.tell)
    return "error" in result


if __name__ == "__main__":
    sys.exit(main())
