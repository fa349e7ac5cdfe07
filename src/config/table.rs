//! The one table of keys: from it come reading, `config print` and the manual.

use super::settings::{BoxClass, Peer, Route, Settings, Trunk};
use super::value::Setting;
use super::webhook::Webhook;

/// One key of a section: its name, the field it sets, and what it's for. Type and default are the field's own.
pub(super) struct Key<T> {
    pub(super) name: &'static str,
    pub(super) field: fn(&mut T) -> &mut dyn Setting,
    pub(super) meaning: &'static str,
}

/// One section of the file.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) keys: &'static [Key<Settings>],
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "node",
        meaning: "Who this process is.",
        keys: &[Key {
            name: "name",
            field: |s| &mut s.node.name,
            meaning: "Name of this node in logs and in SIP's Server and User-Agent.",
        }],
    },
    Section {
        name: "sip",
        meaning: "Signalling: SIP calls and the MSML inside them.",
        keys: &[
            Key {
                name: "listen",
                field: |s| &mut s.sip.listen,
                meaning: "Where to listen. Port 0 lets the system choose; GET /readyz names the real one.",
            },
            Key {
                name: "advertise",
                field: |s| &mut s.sip.advertise,
                meaning: "What Contact and Via name instead of the address we listen on: needed behind NAT.",
            },
            Key {
                name: "answer_timeout",
                field: |s| &mut s.sip.answer_timeout,
                meaning: "How long our own INVITE waits for a final answer.",
            },
            Key {
                name: "large_by_tcp",
                field: |s| &mut s.sip.large_by_tcp,
                meaning: "Requests of more than 1300 octets go by TCP where UDP was asked for (RFC 3261), and by UDP all the same to a peer that refuses the connection, for the next hour at once. Off, or with neither a tcp: address in sip.listen nor sip.advertise: always by UDP; off is for networks that swallow connections instead of refusing them.",
            },
            Key {
                name: "tls.cert",
                field: |s| &mut s.sip.tls.cert,
                meaning: "The node's certificate (PEM), with those that lead to its authority; MSRP over TLS shows it. Unset: a self-signed one is made at the start. Read again at SIGHUP, and shown sip.answer_timeout later, when no open offer knows the old one alone.",
            },
            Key { name: "tls.key", field: |s| &mut s.sip.tls.key, meaning: "The private key of tls.cert (PEM)." },
            Key {
                name: "tls.client_ca",
                field: |s| &mut s.sip.tls.client_ca,
                meaning: "Certificates (PEM) of the authorities that may vouch for peers, whoever connects. Unset: those the system trusts.",
            },
            Key {
                name: "nameservers",
                field: |s| &mut s.sip.nameservers,
                meaning: "Addresses of name servers that are asked for the NAPTR and SRV records of SIP domains. Empty: those of the system. Hosts themselves are always looked up by the system.",
            },
            Key {
                name: "outbound.proxy",
                field: |s| &mut s.sip.outbound.proxy,
                meaning: "URI of a proxy that calls of our own go through, like \"sip:proxy.example.org;transport=tls\". Unset: they go straight to where the recipient's domain leads (RFC 3263).",
            },
            Key {
                name: "outbound.from",
                field: |s| &mut s.sip.outbound.from,
                meaning: "Our own URI in such calls. Unset: outbound.user, or node.name, at the proxy's host or at ours.",
            },
            Key {
                name: "outbound.user",
                field: |s| &mut s.sip.outbound.user,
                meaning: "Our account, for proxies and recipients that ask for one (digest, MD5 or SHA-256).",
            },
            Key {
                name: "outbound.password_file",
                field: |s| &mut s.sip.outbound.password_file,
                meaning: "File whose first line is the password of outbound.user.",
            },
        ],
    },
    Section {
        name: "control",
        meaning: "Who may command, and how MSML is read and written.",
        keys: &[
            Key {
                name: "trusted",
                field: |s| &mut s.control.trusted,
                meaning: "Networks whose MSML is obeyed; everybody else gets 403, or 401 if there is a users_file.",
            },
            Key {
                name: "certified",
                field: |s| &mut s.control.certified,
                meaning: "Hosts whose MSML is obeyed over TLS wherever they are: an authority in sip.tls.client_ca vouches for a certificate that names them.",
            },
            Key {
                name: "users_file",
                field: |s| &mut s.control.users_file,
                meaning: "File of those whose MSML is obeyed wherever they are, if they prove by digest (SHA-256 or MD5) who they are: NAME:PASSWORD a line, # begins a comment.",
            },
            Key {
                name: "owners_file",
                field: |s| &mut s.control.owners_file,
                meaning: "File of owners, NAME:PASSWORD a line: who proves to be NAME by digest fetches by himself what lies in the box NAME, and commands nothing.",
            },
            Key {
                name: "owner_domains",
                field: |s| &mut s.control.owner_domains,
                meaning: "Domains whose users fetch what lies in the boxes of their names. P-Asserted-Identity says who calls, and is believed of peers whose MSML is obeyed; with this key set nobody reads anything on the word of his address alone.",
            },
            Key {
                name: "validation",
                field: |s| &mut s.control.validation,
                meaning: "\"lenient\" understands what scripts in the field leave out or misspell; \"strict\" wants what the schemas say.",
            },
            Key {
                name: "error_style",
                field: |s| &mut s.control.error_style,
                meaning: "A request that fails is answered with SIP 200 and the response code in the body (\"msml\"), or with SIP 400 or 500 and the same body (\"sip\").",
            },
            Key {
                name: "maxtime",
                field: |s| &mut s.control.maxtime,
                meaning: "How long a <record> without maxtime may take, once it has its stream.",
            },
            Key {
                name: "unattended",
                field: |s| &mut s.control.unattended,
                meaning: "A file that no MSML asks for: \"hold\" lets it wait up to msrp.hold and refuses it, \"deposit\" files it under the box named by the Request-URI. It is for a server that nobody commands: a file that comes before its <record> is filed by itself, too, and the <record> waits for another.",
            },
        ],
    },
    Section {
        name: "msrp",
        meaning: "File octets.",
        keys: &[
            Key {
                name: "listen",
                field: |s| &mut s.msrp.listen,
                meaning: "Where to listen: tcp, tls, wss for browsers (RFC 7977), or ws on loopback, for what ends TLS itself. Offers of ours name the first that is no WebSocket; an answer takes the one that fits the offer. Port 0 lets the system choose; GET /readyz names the real one.",
            },
            Key {
                name: "advertise",
                field: |s| &mut s.msrp.advertise,
                meaning: "Host that a=path names instead of the address we listen on, and port if that of the first listener differs: needed behind NAT.",
            },
            Key {
                name: "hold",
                field: |s| &mut s.msrp.hold,
                meaning: "How long a sender's octets wait, unread, until MSML asks for them; then 413.",
            },
            Key { name: "chunk", field: |s| &mut s.msrp.chunk, meaning: "Octets of content in each SEND of ours." },
            Key {
                name: "max_size",
                field: |s| &mut s.msrp.max_size,
                meaning: "The largest file accepted; a=max-size says so to peers.",
            },
            Key {
                name: "accept_types",
                field: |s| &mut s.msrp.accept_types,
                meaning: "MIME types accepted, as a=accept-types lists them; \"*\" is any, and message/cpim always is.",
            },
            Key {
                name: "accept_wrapped_types",
                field: |s| &mut s.msrp.accept_wrapped_types,
                meaning: "MIME types accepted in a message/cpim only, besides those; message/imdn+xml always is.",
            },
            Key {
                name: "relay",
                field: |s| &mut s.msrp.relay,
                meaning: "MSRP relays (RFC 4976) that every session goes through, the nearest first. Their certificates have to bear their names and come from an authority in tls.client_ca. Without a relay no session is made.",
            },
            Key { name: "relay_user", field: |s| &mut s.msrp.relay_user, meaning: "Our account at the relays." },
            Key {
                name: "relay_password_file",
                field: |s| &mut s.msrp.relay_password_file,
                meaning: "File whose first line is the password of relay_user.",
            },
            Key {
                name: "relay_expires",
                field: |s| &mut s.msrp.relay_expires,
                meaning: "How long the relays shall keep a session's path; before it runs out the peer is offered a new one. Unset: the relays' choice.",
            },
            Key {
                name: "tls.cert",
                field: |s| &mut s.msrp.tls.cert,
                meaning: "A certificate for MSRP alone (PEM), instead of sip.tls.cert.",
            },
            Key { name: "tls.key", field: |s| &mut s.msrp.tls.key, meaning: "The private key of msrp.tls.cert (PEM)." },
            Key {
                name: "tls.client_ca",
                field: |s| &mut s.msrp.tls.client_ca,
                meaning: "Authorities for MSRP alone (PEM), instead of sip.tls.client_ca.",
            },
            Key {
                name: "tls.verify",
                field: |s| &mut s.msrp.verify,
                meaning: "How a peer proves who it is: by the \"fingerprint\" in its SDP, by a \"ca\" and the host name in its path (for signalling that nobody protects; a fingerprint has to fit as well), or \"either\": by the fingerprint if there is one, else as ca. A peer behind a relay of its own is known by the relay's certificate, which a ca vouches for, whatever this says.",
            },
            Key {
                name: "tls.hashes",
                field: |s| &mut s.msrp.hashes,
                meaning: "Hash functions whose fingerprints count; of those that a peer offers the first of this list decides. sha-1 is broken and for old peers alone.",
            },
            Key {
                name: "ws.origins",
                field: |s| &mut s.msrp.origins,
                meaning: "Origins (like \"https://pages.example.org\") whose pages may open a WebSocket here; others get 403. \"*\" is any. Clients that are no browsers name none and are not held back by it: what protects a session is its URI, which only its call knows.",
            },
        ],
    },
    Section {
        name: "spool",
        meaning: "Where files are kept.",
        keys: &[
            Key {
                name: "path",
                field: |s| &mut s.spool.path,
                meaning: "The spool's directory; it is made if it's missing.",
            },
            Key {
                name: "reserve",
                field: |s| &mut s.spool.reserve,
                meaning: "Free space of the disk that is never used: a file that would eat into it is refused before its octets are read.",
            },
            Key {
                name: "url",
                field: |s| &mut s.spool.url,
                meaning: "A bucket for the objects of boxes that spool.report or boxes.report sends there. One server a prefix. Endpoint, region and credentials come from the usual AWS_ variables (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ALLOW_HTTP), a web identity, or the machine's role. What still arrives is in spool.path.",
            },
            Key {
                name: "report",
                field: |s| &mut s.spool.report,
                meaning: "When a file is reported as committed: when it is durable on the \"disk\", where it stays; when it is in the \"bucket\"; or, \"disk+bucket\", when it is durable on the disk, from where it then moves into the bucket. Unset: \"bucket\" if there is a spool.url.",
            },
            Key {
                name: "part",
                field: |s| &mut s.spool.part,
                meaning: "Octets of the parts in which a body is uploaded, 5 MiB or more; bigger where 10,000 parts would not do.",
            },
            Key {
                name: "sse",
                field: |s| &mut s.spool.sse,
                meaning: "Encryption that the bucket is asked for: \"none\" leaves it to the bucket's own settings.",
            },
            Key {
                name: "sse_key",
                field: |s| &mut s.spool.sse_key,
                meaning: "Id of the KMS key for \"aws:kms\". Unset: the account's own.",
            },
            Key {
                name: "tags",
                field: |s| &mut s.spool.tags,
                meaning: "Tags on every object in the bucket, such as lifecycle rules go by.",
            },
            Key {
                name: "keys",
                field: |s| &mut s.spool.keys,
                meaning: "Master keys of encrypted files, each by its name and where it is: the first line of a file or a variable, 64 hexadecimal digits. The first wraps the keys of new files, all of them open what they once wrapped; `restante spool rewrap` moves on to the first.",
            },
            Key {
                name: "high_water",
                field: |s| &mut s.spool.high_water,
                meaning: "From this share of the disk's octets or inodes in use, or promised to files that are arriving, no new file is taken: calls that bring one get 503. What is arriving goes on, and so do retrieval and deletion. \"100%\" leaves it to the reserve.",
            },
            Key {
                name: "low_water",
                field: |s| &mut s.spool.low_water,
                meaning: "Below this share new files are taken again.",
            },
            Key {
                name: "scrub",
                field: |s| &mut s.spool.scrub,
                meaning: "How often everything in the spool is read again and compared with its digests, so that damage is found before it is asked for: from one beginning to the next, or as fast as scrub_rate allows. \"0s\" is never.",
            },
            Key {
                name: "scrub_rate",
                field: |s| &mut s.spool.scrub_rate,
                meaning: "Octets a second that are read again at most.",
            },
        ],
    },
    Section {
        name: "policy",
        meaning: "Whom the server may talk to of its own accord. Nobody, unless it is said here.",
        keys: &[
            Key {
                name: "forward",
                field: |s| &mut s.policy.forward,
                meaning: "Hosts in the SIP URIs that objects may be forwarded to, redirections included; \"*.example.org\" is every host below that domain, \"*\" is any.",
            },
            Key {
                name: "fetch",
                field: |s| &mut s.policy.fetch,
                meaning: "Sites that <dialogstart src=...> may fetch scripts from, and <transfer> and <fileop> files, over http and https, redirects included: a host on its usual ports, a host and port, or a URL and what lies below it. spool: and file: names need no entry.",
            },
            Key {
                name: "fetch_networks",
                field: |s| &mut s.policy.fetch_networks,
                meaning: "Networks that the names in fetch may lead to besides the public internet, like \"10.1.0.0/16\"; a site that is given by its address needs none.",
            },
            Key {
                name: "put",
                field: |s| &mut s.policy.put,
                meaning: "Sites that <transfer> and <fileop> may put files to, as in fetch. A redirect there is a refusal.",
            },
            Key {
                name: "put_networks",
                field: |s| &mut s.policy.put_networks,
                meaning: "Networks that the names in put may lead to besides the public internet.",
            },
        ],
    },
    Section {
        name: "notices",
        meaning: "How patiently others are told what has become of things: [[webhooks]] and whoever notify names.",
        keys: &[
            Key {
                name: "backoff_min",
                field: |s| &mut s.notices.backoff_min,
                meaning: "The wait after a notice was not taken. It doubles each time, and chance takes up to a quarter away.",
            },
            Key { name: "backoff_max", field: |s| &mut s.notices.backoff_max, meaning: "The longest such wait." },
            Key {
                name: "lifetime",
                field: |s| &mut s.notices.lifetime,
                meaning: "How long a notice is tried. Then it is kept among the dead ones, where GET /api/v1/notices?state=dead shows it and it can be had tried again.",
            },
        ],
    },
    Section {
        name: "events",
        meaning: "The event log: what application servers were told, for those that come back and ask.",
        keys: &[
            Key { name: "keep", field: |s| &mut s.events.keep, meaning: "How long an event is kept." },
            Key {
                name: "max_size",
                field: |s| &mut s.events.max_size,
                meaning: "How much of the disk events may take, about; past it the oldest ones go.",
            },
        ],
    },
    Section {
        name: "queue",
        meaning: "Forwarding: how often, how long and how many at once.",
        keys: &[
            Key {
                name: "backoff_min",
                field: |s| &mut s.queue.backoff_min,
                meaning: "How long after a first failure a file is tried again; the time doubles with each failure more. Chance takes up to a quarter away. A peer that says Retry-After is left alone for that long at least.",
            },
            Key {
                name: "backoff_max",
                field: |s| &mut s.queue.backoff_max,
                meaning: "The longest time between two attempts.",
            },
            Key {
                name: "lifetime",
                field: |s| &mut s.queue.lifetime,
                meaning: "How long a file is tried that names no time of its own, and the longest it may name; then it is given up.",
            },
            Key {
                name: "concurrency",
                field: |s| &mut s.queue.concurrency,
                meaning: "Attempts at once with one host; it begins with one, and each that gets through makes room for one more. A recipient is called once at a time.",
            },
            Key { name: "active", field: |s| &mut s.queue.active, meaning: "Attempts at once, all together." },
            Key {
                name: "bind",
                field: |s| &mut s.queue.bind,
                meaning: "How long an application server has after ft.due to name a connection by ft.bind, before the attempt has failed.",
            },
        ],
    },
    Section {
        name: "http",
        meaning: "The operator's door: /livez, /readyz, /metrics and the objects' door below /api/v1/ (docs/http.md).",
        keys: &[
            Key {
                name: "listen",
                field: |s| &mut s.http.listen,
                meaning: "Where to listen. Anything but loopback demands a token_file. Without one, requests have to name loopback as their host, and pages of other origins are refused.",
            },
            Key {
                name: "token_file",
                field: |s| &mut s.http.token_file,
                meaning: "File whose first line is the bearer token that every request but /livez must carry.",
            },
        ],
    },
    Section {
        name: "log",
        meaning: "What is told on standard error.",
        keys: &[
            Key { name: "level", field: |s| &mut s.log.level, meaning: "The least important level that is written." },
            Key {
                name: "format",
                field: |s| &mut s.log.format,
                meaning: "\"text\" for people, \"json\" for machines, one object a line.",
            },
        ],
    },
];

/// An array of tables: entries that only a file can hold.
pub(super) struct Tables<T: 'static> {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) keys: &'static [Key<T>],
    /// Where its entries are kept.
    pub(super) list: fn(&mut Settings) -> &mut Vec<T>,
    /// What a whole entry lacks, if it does.
    pub(super) lacks: fn(&T) -> Option<&'static str>,
}

/// For single application servers.
pub(super) const PEERS: Tables<Peer> = Tables {
    name: "control.peers",
    meaning: "What one kind of application server needs to be told differently. The first entry whose conditions all hold counts.",
    keys: &[
        Key { name: "network", field: |p| &mut p.network, meaning: "Condition: MSML comes from this network." },
        Key {
            name: "user_agent",
            field: |p| &mut p.user_agent,
            meaning: "Condition: the peer's User-Agent contains this text.",
        },
        Key {
            name: "dialogid",
            field: |p| &mut p.dialogid,
            meaning: "Put <dialogid> into <result> (\"child\") or after it (\"sibling\").",
        },
        Key {
            name: "exit",
            field: |p| &mut p.exit,
            meaning: "msml.dialog.exit repeats the namelist of moml.exit (\"repeat\") or carries nothing (\"empty\").",
        },
        Key {
            name: "content_type",
            field: |p| &mut p.content_type,
            meaning: "MIME type of results and events. Unset: the one that the peer used last.",
        },
        Key { name: "error_style", field: |p| &mut p.error_style, meaning: "Instead of control.error_style." },
        Key { name: "validation", field: |p| &mut p.validation, meaning: "Instead of control.validation." },
        Key { name: "maxtime", field: |p| &mut p.maxtime, meaning: "Instead of control.maxtime." },
    ],
    list: |settings| &mut settings.control.peers,
    lacks: |peer| {
        let anybody = peer.network.is_none() && peer.user_agent.is_none();
        anybody.then_some("needs network or user_agent to say which peers it is for")
    },
};

/// For trunks with a middlebox in the way of MSRP.
pub(super) const TRUNKS: Tables<Trunk> = Tables {
    name: "msrp.peers",
    meaning: "What holds for MSRP with the SIP peers of one network, such as a session border controller. The first entry whose network the peer is in counts.",
    keys: &[
        Key { name: "network", field: |t| &mut t.network, meaning: "The SIP peers that the entry is for." },
        Key {
            name: "cema",
            field: |t| &mut t.cema,
            meaning: "Offer and answer a=msrp-cema (RFC 6714): the connection goes where c= and m= say, which a middlebox may have changed, and no longer where a=path says. An offer without the attribute whose c= and m= differ from its path is then refused.",
        },
        Key {
            name: "session_match",
            field: |t| &mut t.session_match,
            meaning: "What has to be equal for To-Path to name a session: the whole URI (\"uri\", RFC 4975 §6.1), or the session id alone (\"id\") where a middlebox rewrites the host and port of a=path and leaves To-Path as it is.",
        },
    ],
    list: |settings| &mut settings.msrp.peers,
    lacks: |trunk| trunk.network.is_none().then_some("needs network to say which SIP peers it is for"),
};

/// For boxes.
pub(super) const BOXES: Tables<BoxClass> = Tables {
    name: "boxes",
    meaning: "What holds for some boxes. The first entry whose name the box fits counts; boxes that fit none have no limits.",
    keys: &[
        Key { name: "match", field: |b| &mut b.matches, meaning: "The boxes that the entry is for." },
        Key {
            name: "quota_octets",
            field: |b| &mut b.quota_octets,
            meaning: "Octets that each box may hold, its files together. A file that would go over it is refused: with 413 before its first octet if it says its size, else when its octets go over.",
        },
        Key {
            name: "quota_objects",
            field: |b| &mut b.quota_objects,
            meaning: "Objects that each box may hold; one more is refused with 413 before its first octet.",
        },
        Key {
            name: "warn",
            field: |b| &mut b.warn,
            meaning: "From this share of either quota on the log has a warning, and the box counts in restante_spool_boxes_nearly_full.",
        },
        Key {
            name: "keep",
            field: |b| &mut b.keep,
            meaning: "How long an object is kept from its commit on; then it expires. Unset: for ever. What its sender has said of its expiry counts as well.",
        },
        Key {
            name: "keep_new",
            field: |b| &mut b.keep_new,
            meaning: "The same for an object that is not marked as seen or saved.",
        },
        Key {
            name: "keep_seen",
            field: |b| &mut b.keep_seen,
            meaning: "The same from the moment on in which an object was marked as seen.",
        },
        Key {
            name: "keep_saved",
            field: |b| &mut b.keep_saved,
            meaning: "The same from the moment on in which an object was marked as saved.",
        },
        Key {
            name: "undelete",
            field: |b| &mut b.undelete,
            meaning: "How long a deleted object can be brought back. It does not count for the quota meanwhile.",
        },
        Key {
            name: "notice",
            field: |b| &mut b.notice,
            meaning: "How long an object that has expired can still be brought back. That it has expired is in the log at once.",
        },
        Key {
            name: "encrypt",
            field: |b| &mut b.encrypt,
            meaning: "Encrypt what arrives there from its first octet on, under the first of spool.keys. What is there already stays as it is.",
        },
        Key {
            name: "report",
            field: |b| &mut b.report,
            meaning: "When their files are reported as committed, and where they lie then. Unset: as spool.report says.",
        },
    ],
    list: |settings| &mut settings.boxes,
    lacks: |class| class.matches.is_none().then_some("needs match to say which boxes it is for"),
};

/// For those who are told what has become of things.
pub(super) const WEBHOOKS: Tables<Webhook> = Tables {
    name: "webhooks",
    meaning: "Who is told what has become of objects, deliveries and boxes, by POST of a CloudEvent: see docs/webhooks.md.",
    keys: &[
        Key { name: "name", field: |w| &mut w.name, meaning: "What it is called in logs, lists and notify." },
        Key {
            name: "url",
            field: |w| &mut w.url,
            meaning: "Where it is told. The operator says so, whatever network that is in; redirects are not followed.",
        },
        Key {
            name: "events",
            field: |w| &mut w.events,
            meaning: "Of what it is told by itself. Empty: only of what names it in notify.",
        },
        Key { name: "boxes", field: |w| &mut w.boxes, meaning: "Only of these boxes. Unset: of all." },
        Key {
            name: "secret_file",
            field: |w| &mut w.secret_file,
            meaning: "File with the secrets that its notices are signed with (HMAC-SHA256), each in a line of its own: whsec_ and Base64, or a text of 24 octets or more. All of them sign, so that a new one can take the place of an old one. Unset: they are not signed. Read at the start.",
        },
    ],
    list: |settings| &mut settings.webhooks,
    lacks: |webhook| {
        let lacks = !webhook.is_named() || webhook.url.is_none();
        lacks.then_some("needs a url, and a name of 64 letters, digits, dots, dashes and underscores at most")
    },
};

/// For what is forwarded by itself.
pub(super) const ROUTES: Tables<Route> = Tables {
    name: "queue.route",
    meaning: "What arrives in some boxes is forwarded, without anybody asking for it. Every entry that an object fits counts; what lies there already stays.",
    keys: &[
        Key { name: "match", field: |r| &mut r.matches, meaning: "The boxes that the entry is for." },
        Key {
            name: "types",
            field: |r| &mut r.types,
            meaning: "The MIME types that it is for, like \"audio/*\"; [] is any.",
        },
        Key {
            name: "to",
            field: |r| &mut r.to,
            meaning: "Whom it goes to: {box} is the name of the box, as in sip:{box}@example.org. policy.forward has to allow the host, which may not be this server.",
        },
        Key { name: "after", field: |r| &mut r.after, meaning: "How long after its arrival it is tried first." },
        Key {
            name: "expires",
            field: |r| &mut r.expires,
            meaning: "How long it is tried; at most, and if unset, queue.lifetime.",
        },
        Key { name: "delete", field: |r| &mut r.delete, meaning: "Delete the object when its recipient has it." },
    ],
    list: |settings| &mut settings.routes,
    lacks: |route| {
        let lacks = route.matches.is_none() || route.to.is_none();
        lacks.then_some("needs match and to: which boxes it is for, and whom their files go to")
    },
};

/// The key `section.name`.
pub(super) fn key(section: &str, name: &str) -> Option<&'static Key<Settings>> {
    let section = SECTIONS.iter().find(|known| known.name == section)?;
    section.keys.iter().find(|key| key.name == name)
}

/// The known key or section that looks most like `wrong`.
pub(super) fn nearest(wrong: &str) -> String {
    let keys =
        SECTIONS.iter().flat_map(|section| section.keys.iter().map(|key| format!("{}.{}", section.name, key.name)));
    let peers = PEERS.keys.iter().map(|key| format!("{}.{}", PEERS.name, key.name));
    let trunks = TRUNKS.keys.iter().map(|key| format!("{}.{}", TRUNKS.name, key.name));
    let boxes = BOXES.keys.iter().map(|key| format!("{}.{}", BOXES.name, key.name));
    let routes = ROUTES.keys.iter().map(|key| format!("{}.{}", ROUTES.name, key.name));
    let webhooks = WEBHOOKS.keys.iter().map(|key| format!("{}.{}", WEBHOOKS.name, key.name));
    let sections = SECTIONS.iter().map(|section| section.name.to_owned());
    let known = keys.chain(peers).chain(trunks).chain(boxes).chain(routes).chain(webhooks).chain(sections);
    let known = known.chain([PEERS.name, TRUNKS.name, BOXES.name, ROUTES.name, WEBHOOKS.name].map(str::to_owned));
    known.max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b))).unwrap_or_default()
}
