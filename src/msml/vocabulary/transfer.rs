//! The elements of the transfer package: in no namespace, as scripts for the commercial server have them.

use super::elements::{ID, ending};
use super::{Attribute, Need, Package, Shape, Word, may, must, one, some};

const RULE: &str = "the transfer package";

const OBJID: Attribute = may("objid", Shape::Id, "names the file for transfer.objid");
const ITERATE: Attribute = may("iterate", Shape::Once, "a file is moved once");
const WAIT: Attribute = may("wait", Shape::Time, "how long after; without it, delay of the transfer");
const RETRY: Attribute = may("retry", Shape::Count, "how often it is tried again; without it, retry of the transfer");
const DEST: Attribute =
    must("dest", Shape::Sink, "where it goes: into the spool, to the peer under this name, or to a site of policy.put");

/// Files one after the other.
pub const TRANSFER: Word = Word {
    name: "transfer",
    package: Package::Transfer,
    rule: RULE,
    meaning: "Moves files one after the other: to the peer, from it, or without it from place to place. It ends with the first that fails for good.",
    attributes: &[
        ID,
        may(
            "initial",
            Shape::OneOf(&["transmit", "suspend"]),
            "suspend begins nothing before the event transmit or resume",
        ),
        ITERATE,
        may("retry", Shape::Count, "how often a file that has failed is tried again"),
        may("delay", Shape::Time, "how long after"),
        may("starttimer", Shape::Flag, "false switches ftt off"),
        may("ftt", Shape::Time, "how long a site may take to answer, usually a minute, or the peer to the first octet"),
        may("itt", Shape::Time, "how long a site, usually a minute, or the peer may pause between octets"),
        may("maxtime", Shape::Limit, "limit of the whole; without it, control.maxtime"),
    ],
    filled: Need::Never,
    content: &[
        some(Need::Always, &["fileobj", "messageobj"]),
        one(&["transferstart"]),
        one(&["transferobjstart"]),
        one(&["transferobjdone"]),
        one(&["transferexit"]),
    ],
};

/// One file.
pub const FILEOBJ: Word = Word {
    name: "fileobj",
    package: Package::Transfer,
    rule: RULE,
    meaning: "One file of a transfer. At least one of src and dest lies in the spool.",
    attributes: &[
        must(
            "src",
            Shape::Source,
            "where it comes from: the peer's next message, the spool, or a site of policy.fetch",
        ),
        DEST,
        OBJID,
        may("contenttype", Shape::Text, "its MIME type, instead of the file's own; not of what comes from the peer"),
        ITERATE,
        RETRY,
        WAIT,
        may("delete", Shape::Flag, "true deletes src from the spool when the file has arrived"),
        may("overwrite", Shape::Flag, "true replaces an object of the same name, which otherwise is a failure"),
        may("append", Shape::Flag, "true puts it behind what is in dest: both together become the object"),
    ],
    filled: Need::Never,
    content: &[],
};

/// A message instead.
pub const MESSAGEOBJ: Word = Word {
    name: "messageobj",
    package: Package::Transfer,
    rule: RULE,
    meaning: "A message of a transfer: as <fileobj>, or with its text in the script itself.",
    attributes: &[
        may("src", Shape::Source, "where it comes from, instead of the texts inside"),
        DEST,
        OBJID,
        may("contenttype", Shape::Text, "as of <fileobj>"),
        ITERATE,
        RETRY,
        WAIT,
    ],
    filled: Need::Never,
    content: &[some(Need::Never, &["content"])],
};

/// Its text.
pub const CONTENT: Word = Word {
    name: "content",
    package: Package::Transfer,
    rule: RULE,
    meaning: "A text, which is a message of its own. It goes into the spool or to a site, and to the peer from there.",
    attributes: &[
        may("contentid", Shape::Text, "has no effect: a message stands alone"),
        may("contenttype", Shape::Text, "its MIME type; without it, that of the message, else text/plain"),
        may("contentdisposition", Shape::Text, "what its receiver shall do with it"),
    ],
    filled: Need::Never,
    content: &[],
};

/// Its beginning.
pub const TRANSFERSTART: Word = ending("transferstart", RULE, Package::Transfer, "Runs when the transfer begins.");

/// A file's beginning.
pub const TRANSFEROBJSTART: Word =
    ending("transferobjstart", RULE, Package::Transfer, "Runs when a file begins: once, however often it is tried.");

/// A file's end.
pub const TRANSFEROBJDONE: Word =
    ending("transferobjdone", RULE, Package::Transfer, "Runs when a file is through, well or for good not.");

/// Its end.
pub const TRANSFEREXIT: Word =
    ending("transferexit", RULE, Package::Transfer, "Runs when the transfer is over, however it ended.");

/// A file that the peer has no part in.
pub const FILEOP: Word = Word {
    name: "fileop",
    package: Package::Transfer,
    rule: RULE,
    meaning: "Does something with one file. It is a transfer of that file alone: with its variables, and as target of events.",
    attributes: &[
        ID,
        must(
            "operation",
            Shape::OneOf(&["append", "convert", "copy", "delete", "move"]),
            "append puts src behind dest; convert is 402: files stay as they are; delete is of src",
        ),
        must("src", Shape::Source, "the file"),
        may("dest", Shape::Sink, "where it goes; of delete there is none"),
        may("overwrite", Shape::Flag, "true replaces an object of the same name, which otherwise is a failure"),
    ],
    filled: Need::Never,
    content: &[],
};
