//! The elements that we speak, with their attributes: what clients say first, what only the server says after that.

use super::{Attribute, Need, Package, Shape, Slot, Word, inert, last, may, must, one, should, some};

/// RFC 5707 §9.6: what may run in a dialog.
const STEPS: &[Slot] = &[
    some(
        Need::Never,
        &[
            "play",
            "record",
            "ft:receive",
            "ft:send",
            "ft:forward",
            "transfer",
            "fileop",
            "collect",
            "dtmf",
            "group",
            "send",
        ],
    ),
    last(&["exit", "disconnect"]),
];
/// RFC 5707 §16.3.2 `sendType`: what stands in `<playexit>` and its like.
pub(super) const DEEDS: &[Slot] = &[some(Need::Never, &["send"]), last(&["exit", "disconnect"])];

pub(super) const MARK: Attribute = may("mark", Shape::Mark, "comes back in the result if a later command fails");
pub(super) const ID: Attribute = may("id", Shape::Id, "names the primitive for events and variables");
const NAMELIST: Attribute = may("namelist", Shape::Namelist, "variables to report; what is unset is \"undefined\"");

/// §7.1
pub const MSML: Word = Word {
    name: "msml",
    package: Package::Core,
    rule: "RFC 5707 §7.1",
    meaning: "The root of every document. A request has commands in it, executed in their order.",
    attributes: &[must("version", Shape::Version, "1.0 of older clients is taken for 1.1")],
    filled: Need::Strict,
    content: &[some(
        Need::Never,
        &["dialogstart", "dialogend", "send", "audit", "ft:list", "ft:delete", "ft:mark", "ft:attach"],
    )],
};

/// §7.2
pub const SEND: Word = Word {
    name: "send",
    package: Package::Core,
    rule: "RFC 5707 §7.2",
    meaning: "Sends an event to a running dialog, or to what runs in it.",
    attributes: &[
        must("event", Shape::Text, "see the events"),
        must("target", Shape::Target, "whom it is for; 430 if that does not exist"),
        may("valuelist", Shape::Text, "of ft.bind: the connection that the file goes to, conn:NAME"),
        MARK,
    ],
    filled: Need::Never,
    content: &[],
};

/// §9.6.1
pub const DIALOGSTART: Word = Word {
    name: "dialogstart",
    package: Package::DialogCore,
    rule: "RFC 5707 §9.6.1",
    meaning: "Starts a dialog on a connection: its description is inside, as it is or in one <moml>. The result comes at once, the dialog's end is msml.dialog.exit.",
    attributes: &[
        must("target", Shape::Independent, "the connection; a conference is 430, for there are none"),
        should("type", Shape::Language, "the language of the description"),
        may("name", Shape::Instance, "names the dialog, 431 if taken; without it a name is made"),
        may(
            "src",
            Shape::Filled,
            "where the description lies, instead of inside: spool:, file:, or a site of policy.fetch; if it cannot be had, msml.dialog.exit says 423",
        ),
        MARK,
    ],
    filled: Need::Never,
    content: STEPS,
};

/// §9.6.2
pub const DIALOGEND: Word = Word {
    name: "dialogend",
    package: Package::DialogCore,
    rule: "RFC 5707 §9.6.2",
    meaning: "Terminates what runs in a dialog; its script may still report, and then it exits.",
    attributes: &[must("id", Shape::Dialog, "the dialog; 430 if it does not exist"), MARK],
    filled: Need::Never,
    content: &[],
};

/// §9.7.6
pub const MOML: Word = Word {
    name: "moml",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.6",
    meaning: "A frame around a dialog's description, with the same meaning as without it.",
    attributes: &[
        should("version", Shape::OneOf(&["1.0"]), "of the language"),
        should("id", Shape::Text, "has no effect"),
    ],
    filled: Need::Never,
    content: STEPS,
};

/// §9.6.3
pub const INNER_SEND: Word = Word {
    name: "send",
    package: Package::DialogCore,
    rule: "RFC 5707 §9.6.3",
    meaning: "In a dialog: sends an event to what runs in it, or to the client.",
    attributes: &[
        must("event", Shape::InnerName, "for the client it is the name of the event"),
        must(
            "target",
            Shape::InnerName,
            "play, record, receive, send, transfer, dtmf or collect, with .ID if there are several; group; anything else is the client",
        ),
        NAMELIST,
    ],
    filled: Need::Never,
    content: &[],
};

/// §9.6.4
pub const EXIT: Word = Word {
    name: "exit",
    package: Package::DialogCore,
    rule: "RFC 5707 §9.6.4",
    meaning: "Ends the dialog; the client hears moml.exit. Nothing may follow it.",
    attributes: &[NAMELIST],
    filled: Need::Never,
    content: &[],
};

/// §9.6.5
pub const DISCONNECT: Word = Word {
    name: "disconnect",
    package: Package::DialogCore,
    rule: "RFC 5707 §9.6.5",
    meaning: "Ends the dialog and hangs up the connection; the client hears moml.disconnect. Nothing may follow it.",
    attributes: &[NAMELIST],
    filled: Need::Never,
    content: &[],
};

/// §9.7.1
pub const PLAY: Word = Word {
    name: "play",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.1",
    meaning: "Sends files to the connection, one message each, in their order.",
    attributes: &[
        ID,
        inert("interval", Shape::Time),
        may("iterate", Shape::Once, "a file is sent once"),
        may("offset", Shape::NoTime, "a file has no time to start at"),
        may(
            "initial",
            Shape::OneOf(&["generate", "suspend"]),
            "suspend sends nothing before the event generate or resume",
        ),
        may("maxtime", Shape::Limit, "a longer transfer is broken off: play.end is play.complete.maxtime"),
        inert("skip", Shape::Text),
        inert("barge", Shape::Flag),
        inert("cleardb", Shape::Flag),
        inert("xml:lang", Shape::Tongue),
    ],
    filled: Need::Never,
    content: &[some(Need::Always, &["audio", "video", "media", "ft:file"]), one(&["playexit"])],
};

const FILE: Attribute = must("uri", Shape::Object, "the file");
const FORMAT: Attribute = may("format", Shape::Text, "its MIME type is the message's, instead of the file's own");

/// §9.7.1.1
pub const AUDIO: Word = Word {
    name: "audio",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.1.1",
    meaning: "A file to send, whatever its type.",
    attributes: &[
        FILE,
        may("iterate", Shape::Once, "a file is sent once"),
        FORMAT,
        inert("audiosamplerate", Shape::Text),
        inert("audiosamplesize", Shape::Text),
        inert("xml:lang", Shape::Tongue),
    ],
    filled: Need::Never,
    content: &[],
};

/// §9.7.1.2
pub const VIDEO: Word = Word {
    name: "video",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.1.2",
    meaning: "A file to send, whatever its type.",
    attributes: &[
        FILE,
        may("iterate", Shape::Once, "a file is sent once"),
        FORMAT,
        inert("audiosamplerate", Shape::Text),
        inert("audiosamplesize", Shape::Text),
        inert("codecconfig", Shape::Text),
        inert("profile", Shape::Text),
        inert("level", Shape::Text),
        inert("imagewidth", Shape::Text),
        inert("imageheight", Shape::Text),
        inert("maxbitrate", Shape::Text),
        inert("framerate", Shape::Text),
    ],
    filled: Need::Never,
    content: &[],
};

/// §9.7.1.3
pub const MEDIA: Word = Word {
    name: "media",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.1.3",
    meaning: "Files to send one after the other: messages have no clock that two could share.",
    attributes: &[],
    filled: Need::Never,
    content: &[some(Need::Always, &["audio", "video"])],
};

pub(super) const fn ending(name: &'static str, rule: &'static str, package: Package, meaning: &'static str) -> Word {
    Word { name, package, rule, meaning, attributes: &[], filled: Need::Strict, content: DEEDS }
}

/// §9.7.1.5
pub const PLAYEXIT: Word =
    ending("playexit", "RFC 5707 §9.7.1.5", Package::DialogBase, "Runs when the play is over, however it ended.");

/// §9.7.4
pub const RECORD: Word = Word {
    name: "record",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.4",
    meaning: "Receives one file into the spool. It completes when the file is committed.",
    attributes: &[
        ID,
        may(
            "append",
            Shape::Flag,
            "true is not supported: a committed object never changes; <fileop> can put one behind another",
        ),
        may("dest", Shape::Place, "where the file goes; a box has a new name made"),
        may("audiodest", Shape::Place, "where it goes if its type is audio/..."),
        may("videodest", Shape::Place, "where it goes if its type is video/..."),
        should("format", Shape::Text, "is not enforced: voice scripts name codecs here"),
        inert("codecconfig", Shape::Text),
        inert("audiosamplerate", Shape::Text),
        inert("audiosamplesize", Shape::Text),
        inert("profile", Shape::Text),
        inert("level", Shape::Text),
        inert("imagewidth", Shape::Text),
        inert("imageheight", Shape::Text),
        inert("maxbitrate", Shape::Text),
        inert("framerate", Shape::Text),
        should("maxtime", Shape::Limit, "limit of the transfer once it has its stream; without it, control.maxtime"),
        may("initial", Shape::OneOf(&["create", "suspend"]), "suspend reads nothing before the event resume"),
        may("prespeech", Shape::Time, "how long the first octet may take; 0s is for ever"),
        may("postspeech", Shape::Time, "how long the sender may pause between octets; 0s is the usual limit"),
        inert("termkey", Shape::Text),
    ],
    filled: Need::Never,
    content: &[one(&["recordexit"])],
};

/// §9.7.4.3
pub const RECORDEXIT: Word =
    ending("recordexit", "RFC 5707 §9.7.4.3", Package::DialogBase, "Runs when the record is over, however it ended.");

const COLLECTOR: &[Attribute] = &[
    ID,
    inert("cleardb", Shape::Text),
    may("fdt", Shape::Time, "how long until noinput, once the timer runs; 0s is for ever"),
    inert("idt", Shape::Text),
    inert("edt", Shape::Text),
    may("starttimer", Shape::Flag, "true starts fdt at once, else the event starttimer does"),
    may("iterate", Shape::Times, "how often noinput may happen"),
    inert("ldd", Shape::Text),
];
const COLLECTED: &[Slot] =
    &[some(Need::Strict, &["pattern"]), one(&["detect"]), one(&["noinput"]), one(&["nomatch"]), one(&["dtmfexit"])];

/// §9.7.5
pub const COLLECT: Word = Word {
    name: "collect",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.5",
    meaning: "Is there so that voice scripts run: a message stream carries no digits. It keeps no group alive.",
    attributes: COLLECTOR,
    filled: Need::Never,
    content: COLLECTED,
};

/// §9.7.5
pub const DTMF: Word = Word { name: "dtmf", meaning: "Another name for <collect>.", ..COLLECT };

/// §9.7.5.2
pub const PATTERN: Word = Word {
    name: "pattern",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.5.2",
    meaning: "Never happens.",
    attributes: &[
        must("digits", Shape::Text, "is never matched"),
        inert("format", Shape::Text),
        inert("iterate", Shape::Text),
    ],
    filled: Need::Strict,
    content: DEEDS,
};

/// §9.7.5.3
pub const DETECT: Word = ending("detect", "RFC 5707 §9.7.5.3", Package::DialogBase, "Never happens.");

/// §9.7.5.4
pub const NOINPUT: Word = Word {
    name: "noinput",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.5.4",
    meaning: "Runs when fdt is over.",
    attributes: &[may("iterate", Shape::Times, "how often it may happen")],
    filled: Need::Strict,
    content: DEEDS,
};

/// §9.7.5.5
pub const NOMATCH: Word = Word {
    name: "nomatch",
    package: Package::DialogBase,
    rule: "RFC 5707 §9.7.5.5",
    meaning: "Never happens.",
    attributes: &[may("iterate", Shape::Times, "is never counted")],
    filled: Need::Strict,
    content: DEEDS,
};

/// §9.7.5.6
pub const DTMFEXIT: Word =
    ending("dtmfexit", "RFC 5707 §9.7.5.6", Package::DialogBase, "Runs when the collector is over, however it ended.");

/// §9.8.1
pub const GROUP: Word = Word {
    name: "group",
    package: Package::Group,
    rule: "RFC 5707 §9.8.1",
    meaning: "Primitives that start together. It is over when all but inert collectors are.",
    attributes: &[
        may("id", Shape::Id, "has no effect: groups are not nested"),
        must(
            "topology",
            Shape::OneOf(&["parallel", "serial", "fullduplex"]),
            "only parallel is supported: a file has no transformations to pass through",
        ),
    ],
    filled: Need::Never,
    content: &[
        some(
            Need::Always,
            &["play", "record", "ft:receive", "ft:send", "ft:forward", "transfer", "fileop", "collect", "dtmf"],
        ),
        one(&["groupexit"]),
    ],
};

/// §9.8.2
pub const GROUPEXIT: Word =
    ending("groupexit", "RFC 5707 §9.8.2", Package::Group, "Runs when the group is over, however it ended.");

/// §10.1.1
pub const AUDIT: Word = Word {
    name: "audit",
    package: Package::Audit,
    rule: "RFC 5707 §10.1.1",
    meaning: "Asks what is there: the result has one <auditresult> for each connection meant, and none for conferences.",
    attributes: &[
        must("queryid", Shape::Query, "whom to ask about; conf: is understood, and there are none"),
        may("statelist", Shape::States, "what to tell; without it, ids alone"),
        MARK,
    ],
    filled: Need::Never,
    content: &[],
};

const fn said(
    name: &'static str,
    rule: &'static str,
    package: Package,
    meaning: &'static str,
    attributes: &'static [Attribute],
    content: &'static [Slot],
) -> Word {
    Word { name, package, rule, meaning, attributes, filled: Need::Never, content }
}

/// §7.3
pub const RESULT: Word = said(
    "result",
    "RFC 5707 §7.3",
    Package::Core,
    "The answer to a request.",
    &[
        must("response", Shape::Text, "the response code"),
        may("mark", Shape::Text, "of the last command executed before the one that failed"),
    ],
    &[one(&["description"]), some(Need::Never, &["dialogid"]), some(Need::Never, &["auditresult", "ft:listresult"])],
);

/// §7.3
pub const DESCRIPTION: Word = said(
    "description",
    "RFC 5707 §7.3",
    Package::Core,
    "Why a request failed: place in the document, fault, and what would be right.",
    &[],
    &[],
);

/// §7.3
pub const DIALOGID: Word = said(
    "dialogid",
    "RFC 5707 §7.3",
    Package::DialogCore,
    "A dialog that was started, also when a later command failed.",
    &[],
    &[],
);

/// §7.4
pub const EVENT: Word = said(
    "event",
    "RFC 5707 §7.4",
    Package::Core,
    "Something that happened, in an INFO to the SIP dialog on which the request came.",
    &[must("name", Shape::Text, "see the events"), must("id", Shape::Text, "the dialog")],
    &[some(Need::Never, &["name", "value"])],
);

/// §7.4
pub const NAME: Word = said("name", "RFC 5707 §7.4", Package::Core, "A variable of an event.", &[], &[]);

/// §7.4
pub const VALUE: Word = said("value", "RFC 5707 §7.4", Package::Core, "Its value.", &[], &[]);

/// §10.1.2
pub const AUDITRESULT: Word = said(
    "auditresult",
    "RFC 5707 §10.1.2",
    Package::Audit,
    "What there is to tell about one connection: the elements that the states name.",
    &[must("targetid", Shape::Text, "the connection")],
    &[],
);
