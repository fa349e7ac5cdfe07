#!/usr/bin/env python3
"""An MSRP endpoint (RFC 4975) written without a look at Restante's code: it sends one file or receives one.

    endpoint.py send    --path URI --local URI --file FILE --message-id ID [--chunk OCTETS] --result FILE
    endpoint.py receive --local URI (--path URI | --listen) --file FILE --result FILE [--tell HOST:PORT/CALL-ID]
    further, for a path of msrps: --tls-cert FILE --tls-key FILE --tls-peer SHA-256 of the other end's certificate
    further, to send: --cpim SUBJECT puts the file into a message/cpim (RFC 3862);
                      --until N breaks off after so many octets; --begin N goes on after them, in the same message;
                      --rest N sends what follows them as a message of its own (RFC 5547, file-range)
    further, to receive: --rest N keeps so many octets of FILE, and what comes follows them
    endpoint.py dress   --file DESCRIPTION --icon PICTURE --result FILE     a description and its file-icon as one body
    endpoint.py undress --file BODY --type CONTENT-TYPE --result FILE       what is in such a body

Its result is one JSON object. A receiver that listens prints its port first. With --tell it lets the signalling half
of its phone know, by a SIP request on that half's own UDP port, that the file is there.
"""

import argparse
import email
import email.generator
import email.mime.image
import email.mime.multipart
import email.mime.text
import email.policy
import hashlib
import io
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


def wrap(content, args):
    """A message/cpim of this file: its headers, a blank line, those of the file, a blank line, the file."""
    headers = [
        "From: Erin <sip:erin@phone.example.net>",
        "To: <sip:bob@store.example.org>",
        "DateTime: 2026-11-22T23:00:00+01:00",
        f"Subject: {args.cpim}",
        "",
        f"Content-Type: {args.type}",
        "Content-ID: <file@phone.example.net>",
        "",
        "",
    ]
    return "\r\n".join(headers).encode() + content


def unwrap(message):
    """What stands in the headers of a message/cpim, in those of its content, and the content."""
    outer, inner, content = message.split(b"\r\n\r\n", 2)
    pairs = lambda block: dict(line.split(": ", 1) for line in block.decode().split("\r\n"))
    return pairs(outer), pairs(inner), content


def send(args):
    with open(args.file, "rb") as file:
        content = file.read()[args.rest:]
    kind = args.type
    if args.cpim is not None:
        content, kind = wrap(content, args), "message/cpim"
    peer = dial(args)
    total, sent, answers, reports = len(content), args.begin, [], []
    last = total if args.until is None else args.until
    number = 0
    while sent < last or number == 0:
        piece = content[sent:min(sent + args.chunk, last)]
        end = "*" if len(piece) > 2048 else sent + len(piece)
        headers = [
            ("Message-ID", args.message_id),
            ("Success-Report", "yes"),
            ("Byte-Range", f"{sent + 1}-{end}/{total}"),
            ("Content-Type", kind),
        ]
        number += 1
        sent += len(piece)
        flag = "$" if sent == total else "+"
        peer.write(request(f"py{number:06}", "SEND", args.path, args.local, headers, piece, flag))
    final = f"1-{total}/{total}"
    reported = lambda: last < total or any(report["range"] == final for report in reports)
    while len(answers) < number or not reported():
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
    wrapped = None
    if headers["Content-Type"].lower() == "message/cpim":
        outer, inner, file = unwrap(whole)
        wrapped = {"headers": outer, "content": inner}
    else:
        file = whole
    keep(args, file)
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
        "sha256": hashlib.sha256(file).hexdigest(),
        "wrapped": wrapped,
        "type": headers["Content-Type"],
        "disposition": headers.get("Content-Disposition"),
        "to": headers["To-Path"],
    }


def keep(args, content):
    """Writes the file, or the rest of one that is there in part."""
    with open(args.file, "r+b" if args.rest else "wb") as file:
        file.truncate(args.rest)
        file.seek(args.rest)
        file.write(content)


def dress(args):
    """multipart/related (RFC 2387): the description first, and the picture that its file-icon names."""
    with open(args.file, newline="") as file:
        description = file.read()
    with open(args.icon, "rb") as file:
        picture = email.mime.image.MIMEImage(file.read(), "png")
    picture["Content-ID"] = "<icon1@phone.example.net>"
    picture["Content-Disposition"] = "icon"
    body = email.mime.multipart.MIMEMultipart("related", boundary="py3edge", type="application/sdp")
    first = email.mime.text.MIMEText(description + "a=file-icon:cid:icon1@phone.example.net\r\n", _charset="us-ascii")
    first.replace_header("Content-Type", "application/sdp")
    body.attach(first)
    body.attach(picture)
    text = io.BytesIO()
    email.generator.BytesGenerator(text, policy=email.policy.SMTP).flatten(body)
    head, _, parts = text.getvalue().decode().partition("\r\n\r\n")
    kind = email.message_from_string(head, policy=email.policy.SMTP)["Content-Type"]
    return {"type": re.sub(r"\s+", " ", kind), "body": parts}


def undress(args):
    with open(args.file, "rb") as file:
        message = b"MIME-Version: 1.0\r\nContent-Type: " + args.type.encode() + b"\r\n\r\n" + file.read()
    whole = email.message_from_bytes(message, policy=email.policy.SMTP)
    description, *pictures = whole.iter_parts()
    text = description.get_payload(decode=True).decode()
    url = re.search(r"^a=file-icon:cid:(\S+)\r?$", text, re.MULTILINE).group(1)
    picture = next(part for part in pictures if part["Content-ID"].strip("<>") == url)
    return {
        "types": [part.get_content_type() for part in whole.iter_parts()],
        "description": text,
        "disposition": picture.get_content_disposition(),
        "picture": hashlib.sha256(picture.get_payload(decode=True)).hexdigest(),
        "defects": [str(defect) for part in whole.walk() for defect in part.defects],
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
    roles = {"send": send, "receive": receive, "dress": dress, "undress": undress}
    parser.add_argument("role", choices=roles)
    for name in ["path", "local", "file", "message-id", "result", "tell", "tls-cert", "tls-key", "tls-peer"]:
        parser.add_argument(f"--{name}")
    for name in ["cpim", "icon"]:
        parser.add_argument(f"--{name}")
    parser.add_argument("--type", default="audio/x-wav")
    parser.add_argument("--until", type=int)
    for name in ["begin", "rest"]:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--chunk", type=int, default=2048)
    parser.add_argument("--listen", action="store_true")
    args = parser.parse_args()
    try:
        result = roles[args.role](args)
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
