#!/usr/bin/env python3
"""Somebody who is told what has become of his messages (RFC 3428, 3862, 5438), written without a look at Restante's code.

    imdn.py --port PORT [--write DIR]

It listens by UDP, prints its port, answers MESSAGE with 200 and INVITE with 404, and prints a line of JSON for each
notification. With --write it leaves the documents in DIR, numbered from 1.
"""

import argparse
import json
import os
import socket
import xml.etree.ElementTree as ElementTree

NAMESPACE = "{urn:ietf:params:xml:ns:imdn}"
COPIED = ("via", "from", "to", "call-id", "cseq")


def fields(text):
    """Headers as pairs, the names as they were written."""
    return [tuple(part.strip() for part in line.split(":", 1)) for line in text.split("\r\n") if line]


def answer(status, headers, tag):
    lines = ["SIP/2.0 " + status]
    for name, value in headers:
        if name.lower() in COPIED:
            tagged = value + tag if name.lower() == "to" and "tag=" not in value else value
            lines.append("%s: %s" % (name, tagged))
    return ("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode()


def notification(target, headers, body):
    outer, _, rest = body.partition("\r\n\r\n")
    mime, _, document = rest.partition("\r\n\r\n")
    outer = fields(outer)
    prefixes = [value.split("<")[0].strip() for name, value in outer if name == "NS" and "<urn:ietf:params:imdn>" in value]
    own = prefixes[0] + "." if prefixes else "?"
    imdn = {}
    for name, value in outer:
        if name.startswith(own):
            imdn.setdefault(name[len(own):], []).append(value)
    root = ElementTree.fromstring(document.encode())
    said = {}
    for element in root:
        name = element.tag.replace(NAMESPACE, "")
        if name.endswith("-notification"):
            said["kind"] = name
            said["status"] = element[0][0].tag.replace(NAMESPACE, "")
        else:
            said[name] = element.text
    told = {name: value for name, value in outer if name in ("From", "To")}
    content = {name.lower(): value for name, value in fields(mime)}
    route = [value for name, value in headers if name.lower() == "route"]
    return {"target": target, "route": route, "cpim": told, "imdn": imdn, "content": content, "said": said}, document


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--write")
    arguments = parser.parse_args()
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", arguments.port))
    print(ear.getsockname()[1], flush=True)
    seen, count = set(), 0
    while True:
        octets, peer = ear.recvfrom(65536)
        head, _, body = octets.decode().partition("\r\n\r\n")
        start, _, rest = head.partition("\r\n")
        headers = fields(rest)
        method, target = start.split(" ")[:2]
        if method == "INVITE":
            ear.sendto(answer("404 Not Found", headers, ";tag=gone"), peer)
        if method != "MESSAGE":
            continue
        ear.sendto(answer("200 OK", headers, ";tag=told"), peer)
        branch = next(value for name, value in headers if name.lower() == "via")
        if branch in seen:
            continue
        seen.add(branch)
        told, document = notification(target, headers, body)
        count += 1
        if arguments.write:
            with open(os.path.join(arguments.write, "%d.xml" % count), "w", encoding="utf-8", newline="") as file:
                file.write(document)
        print(json.dumps(told), flush=True)


main()
