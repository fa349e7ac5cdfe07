//! The elements of our own package for files. Their namespace is `urn:restante:msml-file:1`; the prefix may be any.

use super::elements::{DEEDS, ID, MARK};
use super::{Attribute, Need, Package, Shape, Slot, Word, may, must, one, some};

/// Of all of them.
pub const FILE_NAMESPACE: &str = "urn:restante:msml-file:1";

const RULE: &str = "msml-dialog-file";

const fn word(
    name: &'static str,
    meaning: &'static str,
    attributes: &'static [Attribute],
    content: &'static [Slot],
) -> Word {
    Word { name, package: Package::File, rule: RULE, meaning, attributes, filled: Need::Never, content }
}

const fn ending(name: &'static str, meaning: &'static str) -> Word {
    Word { filled: Need::Strict, ..word(name, meaning, &[], DEEDS) }
}

/// A command.
pub const FT_LIST: Word = word(
    "ft:list",
    "A command: the result has one <ft:listresult> with the objects of a box, the oldest first.",
    &[
        must("box", Shape::BoxName, "the box; one in which nothing is has no objects"),
        may(
            "state",
            Shape::OneOf(&["stored", "held", "legal", "deleted", "expired", "new", "seen", "saved", "urgent"]),
            "only those of which this has become; without it, those that are there",
        ),
        may("max", Shape::Count, "how many at most; without it, 50"),
        MARK,
    ],
    &[],
);

/// A command.
pub const FT_DELETE: Word = word(
    "ft:delete",
    "A command: deletes an object. Where the class of its box says so, it can be brought back for a while.",
    &[must("uri", Shape::Object, "the object; 430 if there is none"), MARK],
    &[],
);

/// A command.
pub const FT_MARK: Word = word(
    "ft:mark",
    "A command: writes down how far its reader has got with an object.",
    &[
        must("uri", Shape::Object, "the object; 430 if there is none"),
        must(
            "state",
            Shape::OneOf(&["new", "seen", "saved", "urgent", "normal"]),
            "new, seen or saved; urgent or normal is beside that",
        ),
        MARK,
    ],
    &[],
);

/// A command.
pub const FT_ATTACH: Word = word(
    "ft:attach",
    "A command: starts a dialog on the connection that asks, which follows a job of <ft:forward>. It is told the events that nobody has taken, then those that come, and exits with ft.job, ft.result, ft.attempts and ft.uri. Whoever followed the job before does so no longer.",
    &[must("job", Shape::Instance, "the job, as ft.job has it; 430 if nothing is known of it"), MARK],
    &[],
);

/// What is in a box.
pub const FT_LISTRESULT: Word = word(
    "ft:listresult",
    "In a result: what is in a box.",
    &[must("box", Shape::Text, "the box")],
    &[some(Need::Never, &["ft:object"])],
);

/// One object of it.
pub const FT_OBJECT: Word = word(
    "ft:object",
    "One object of it.",
    &[
        must("uri", Shape::Text, "its name in the spool"),
        must("size", Shape::Text, "its octets"),
        must("stored", Shape::Text, "when it was committed, as RFC 3339 has it"),
        may("name", Shape::Text, "the file's own name"),
        may("type", Shape::Text, "its MIME type"),
        may("from", Shape::Text, "who brought it"),
    ],
    &[],
);

/// One file comes in.
pub const FT_RECEIVE: Word = word(
    "ft:receive",
    "Receives one file into the spool. It is over when the file is committed, or cannot be; ft.result says which.",
    &[
        ID,
        must("dest", Shape::Place, "where the file goes; a box has a new name made"),
        may("overwrite", Shape::Flag, "true replaces an object of that name once the new one is committed"),
        may("append", Shape::Flag, "true is not supported: a committed object never changes"),
        may("max-size", Shape::Octets, "a larger file is refused: ft.toolarge. It can only be less than msrp.max_size"),
        may("types", Shape::MediaTypes, "a file of another type is refused: ft.badtype"),
        may(
            "verify",
            Shape::OneOf(&["declared", "required"]),
            "what the sender declares is always checked; required refuses a file of which it declares no digest",
        ),
        may(
            "resume",
            Shape::Flag,
            "false uses nothing that came in an earlier session, and keeps nothing for a later one",
        ),
        may("firsttimeout", Shape::Time, "how long the first octet may take; 0s is for ever"),
        may("idletimeout", Shape::Time, "how long the sender may pause between octets; 0s is the usual limit"),
        may("maxtime", Shape::Limit, "limit of the transfer once it has its stream; without it, control.maxtime"),
        may(
            "report",
            Shape::OneOf(&["ranges", "whole"]),
            "a sender that asks for reports hears of each range that is durable, or of the committed file alone",
        ),
        may("expires", Shape::Limit, "how long the object is to be kept; it is written into its envelope"),
    ],
    &[
        one(&["ft:onstart"]),
        one(&["ft:onprogress"]),
        one(&["ft:onobject"]),
        one(&["ft:oncomplete"]),
        one(&["ft:receiveexit"]),
    ],
);

/// Files go out.
pub const FT_SEND: Word = word(
    "ft:send",
    "Sends files to the connection, one message each, in their order. The first that fails ends it.",
    &[
        ID,
        may(
            "report",
            Shape::OneOf(&["whole", "none"]),
            "whole asks for the peer's success REPORT and waits for it; for none, its last 200 is enough, but not to delete",
        ),
        may("retry", Shape::Count, "how often a file is tried again that the peer or the path has failed"),
        may("delay", Shape::Time, "how long after; without it, 5s"),
    ],
    &[
        some(Need::Always, &["ft:obj"]),
        one(&["ft:onstart"]),
        one(&["ft:onprogress"]),
        one(&["ft:onobject"]),
        one(&["ft:oncomplete"]),
        one(&["ft:sendexit"]),
    ],
);

/// A file is brought to somebody.
pub const FT_FORWARD: Word = word(
    "ft:forward",
    "Brings an object to somebody: a job that is written down, tried until it succeeds or its time is over, and outlives dialog, connection and server. ft.queued says that it stands, and names it; ft.result says how it ended.",
    &[
        ID,
        must("to", Shape::SipUri, "the recipient"),
        may(
            "mode",
            Shape::OneOf(&["uac", "as"]),
            "who calls. uac, or nothing: the server itself, where policy.forward allows it; as: the event ft.due says that it is time, the application server makes a connection and names it by ft.bind",
        ),
        may("after", Shape::Time, "how long to wait before the first attempt"),
        may("attempts", Shape::Tries, "how many attempts there may be; without it, as many as its time allows"),
        may("backoff", Shape::Limit, "how long to wait between two attempts, at least; without it, queue.backoff_min"),
        may("expires", Shape::Limit, "how long it is tried, at most queue.lifetime: then it is ft.expired"),
        may(
            "report",
            Shape::OneOf(&["whole", "none"]),
            "whole asks for the recipient's success REPORT and waits for it; for none, its last 200 is enough",
        ),
        may(
            "notify",
            Shape::Text,
            "who else is told how it ends: the name of a webhook, or an http: or https: URL that policy.put allows",
        ),
    ],
    &[
        Slot { names: &["ft:obj"], need: Need::Always, many: false, closes: false },
        one(&["ft:onstart"]),
        one(&["ft:onprogress"]),
        one(&["ft:onobject"]),
        one(&["ft:oncomplete"]),
        one(&["ft:forwardexit"]),
    ],
);

/// One of them.
pub const FT_OBJ: Word = word(
    "ft:obj",
    "A file to send. What it says of the file, the peer is told instead of what came with it.",
    &[
        must("uri", Shape::Object, "the file"),
        may("name", Shape::FileName, "its name"),
        may("type", Shape::MediaType, "its MIME type"),
        may("disposition", Shape::OneOf(&["render", "attachment"]), "what is to be done with it"),
        may("range", Shape::Range, "the octets to send, counted from 1; in <ft:forward> with mode=\"as\" alone"),
        may("hash", Shape::Digest, "a file with another digest is not sent: ft.hashmismatch"),
        may(
            "icon",
            Shape::Object,
            "the picture to show for it, where the file has a stream of its own; in <ft:forward> with mode=\"as\" alone",
        ),
        may("date", Shape::Date, "when it was made"),
        may("delete", Shape::Flag, "true deletes the object once the peer has all of it, so not with a range"),
    ],
    &[],
);

/// A file of any type in a `<play>`.
pub const FT_FILE: Word =
    word("ft:file", "In a plain <play>: a file to send.", &[must("uri", Shape::Object, "the file")], &[]);

/// Status request.
pub const FT_ONSTART: Word = word("ft:onstart", "Asks for the event ft.start when a file begins to move.", &[], &[]);

/// Status request.
pub const FT_ONPROGRESS: Word = word(
    "ft:onprogress",
    "Asks for the event ft.progress while a file moves; with neither attribute, once a mebibyte.",
    &[
        may(
            "bytes",
            Shape::Octets,
            "once so many octets have moved, but not more often than for 64 KiB or four times a second",
        ),
        may("interval", Shape::Limit, "once such a time has passed, whether or not anything has moved"),
    ],
    &[],
);

/// Status request.
pub const FT_ONOBJECT: Word =
    word("ft:onobject", "Asks for the event ft.object when a file has stopped moving, well or not.", &[], &[]);

/// Status request.
pub const FT_ONCOMPLETE: Word =
    word("ft:oncomplete", "Asks for the event ft.complete when the primitive is over.", &[], &[]);

/// Exit.
pub const FT_RECEIVEEXIT: Word = ending("ft:receiveexit", "Runs when the receive is over, however it ended.");

/// Exit.
pub const FT_SENDEXIT: Word = ending("ft:sendexit", "Runs when the send is over, however it ended.");

/// Exit.
pub const FT_FORWARDEXIT: Word =
    ending("ft:forwardexit", "Runs when the job is over, or the dialog lets go of it; then there is no ft.result.");

/// The word of this name in the package's namespace, as the vocabulary writes it.
pub(in crate::msml) fn file_word(local: &str) -> Option<&'static str> {
    const WORDS: [&Word; 18] = [
        &FT_LIST,
        &FT_DELETE,
        &FT_MARK,
        &FT_ATTACH,
        &FT_LISTRESULT,
        &FT_OBJECT,
        &FT_RECEIVE,
        &FT_SEND,
        &FT_FORWARD,
        &FT_OBJ,
        &FT_FILE,
        &FT_ONSTART,
        &FT_ONPROGRESS,
        &FT_ONOBJECT,
        &FT_ONCOMPLETE,
        &FT_RECEIVEEXIT,
        &FT_SENDEXIT,
        &FT_FORWARDEXIT,
    ];
    WORDS.iter().map(|word| word.name).find(|name| name.strip_prefix("ft:") == Some(local))
}
