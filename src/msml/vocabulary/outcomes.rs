//! What the client is told: events, the shadow variables, and how a primitive can have ended.

/// A shadow variable (RFC 5707 §9.2), or a name that the server itself puts into an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// A value of `.end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The value; `CODE` stands for a number.
    pub name: &'static str,
    /// When it comes.
    pub meaning: &'static str,
}

/// Events for the client that no `<send>` of its script has named.
pub const NOTICES: &[Outcome] = &[
    outcome("moml.exit", "the script has run <exit>; it carries the namelist"),
    outcome(
        "moml.disconnect",
        "the script has run <disconnect>; it carries the namelist, in the BYE if that goes to the client that asked",
    ),
    outcome(
        "msml.dialog.exit",
        "a dialog is over: its last event, always. It repeats the namelist of <exit>, or says why the dialog has failed",
    ),
    outcome("ft.queued", "an <ft:forward> is written down: ft.job is its name"),
    outcome(
        "ft.due",
        "it is time for an attempt of <ft:forward mode=\"as\">: ft.job, ft.uri and, in ft.attempts, the how manieth it is. The file goes to the connection that ft.bind names within queue.bind",
    ),
    outcome("moml.error", "a dialog that came with its INVITE has failed, or could not begin; it says why"),
];

/// All of them.
pub const VARIABLES: &[Variable] = &[
    variable("record.end", "how the record ended: see below, or the event that ended it"),
    variable("record.len", "how long the transfer took, in ms"),
    variable("record.recordid", "the URI of the object"),
    variable("play.end", "how the play ended: see below, or the event that ended it"),
    variable("play.amt", "how long the transfers took, in ms"),
    variable("dtmf.end", "the event that ended the collector, or dtmf.noinput; collect.end is the same"),
    variable(
        "transfer.end",
        "how the transfer or fileop ended: transfer.complete or transfer.failed; ft.result says why",
    ),
    variable("transfer.duration", "how long it took, in ms"),
    variable("transfer.objid", "objid of the file that begins or is through"),
    variable("ft.uri", "the URI of the object"),
    variable("ft.name", "the file's own name"),
    variable("ft.type", "its MIME type"),
    variable("ft.size", "its octets"),
    variable("ft.bytes", "octets that were transferred, of all files together"),
    variable("ft.hash", "its digest: sha-256: and the hexadecimal octets"),
    variable("ft.disposition", "what its sender wants done with it"),
    variable("ft.date", "when it was made, as its sender says"),
    variable("ft.transferid", "RFC 5547's file-transfer-id"),
    variable("ft.range", "which octets of it were transferred, counted from 1: 1-400"),
    variable("ft.offset", "octets of it before those: there already, or not wanted"),
    variable("ft.objects", "how many files are through"),
    variable("ft.duration", "how long the transfer took, in ms"),
    variable("ft.rate", "octets a second"),
    variable("ft.report", "complete if the whole file was reported with success, partial if some of it, else none"),
    variable("ft.status", "200, the response code of MSML or the status of MSRP with which it failed"),
    variable(
        "ft.attempts",
        "how often the last file to send was begun; of an <ft:forward>, how many attempts there were",
    ),
    variable("ft.job", "the job of an <ft:forward>, for <ft:attach> and GET /api/v1/events?job="),
    variable("ft.result", "see below"),
    variable("dialog.exit.status", "in msml.dialog.exit of a dialog that failed: the response code of the failure"),
    variable("dialog.exit.description", "and the failure in words"),
    variable("moml.error.status", "in moml.error: the response code of the failure"),
    variable("moml.error.description", "and the failure in words"),
];

/// Values of `record.end`, `play.end`, `transfer.end`, `dtmf.end` and `ft.result`, besides the events that a script or client has sent.
pub const OUTCOMES: &[Outcome] = &[
    outcome("record.complete", "the file is committed"),
    outcome("record.complete.maxlength", "maxtime was over; what had come is kept for a resume"),
    outcome("record.failed.prespeech", "no octet came within prespeech"),
    outcome("record.failed.postspeech", "the sender paused too long"),
    outcome("record.failed.hashmismatch", "the octets do not have the digest that was declared"),
    outcome("record.failed.sizemismatch", "the file does not have the size that was declared"),
    outcome("record.failed.toolarge", "it is larger than msrp.max_size"),
    outcome("record.failed.quota", "the box may not hold more"),
    outcome("record.failed.badtype", "its type is not the declared one, not accepted, or has no destination"),
    outcome("record.failed.aborted", "the sender broke off"),
    outcome("record.failed.disconnected", "the connection was lost"),
    outcome("record.failed.takenover", "the sender goes on with the file in a newer session"),
    outcome("record.failed.terminated", "it was terminated before a file came"),
    outcome("record.failed.exists", "an object of that name exists"),
    outcome("record.failed.storage", "the spool could not take it"),
    outcome("record.failed.nostream", "there is no stream that could bring it"),
    outcome("play.complete", "the peer has every file"),
    outcome("play.complete.maxtime", "maxtime was over; the transfer was broken off"),
    outcome("play.failed.notfound", "there is no such object"),
    outcome("play.failed.storage", "the object could not be read"),
    outcome("play.failed.badtype", "the peer does not accept its type"),
    outcome("play.failed.toolarge", "it is larger than the peer's max-size"),
    outcome("play.failed.hashmismatch", "the object does not have the digest that the script wants"),
    outcome("play.failed.norange", "the object does not have these octets"),
    outcome("play.failed.nostream", "there is no stream that it could go by"),
    outcome("play.failed.noconnection", "the peer did not connect"),
    outcome("play.failed.rejected.CODE", "the peer answered or reported this MSRP status"),
    outcome("play.failed.timeout", "the peer did not answer or report in time"),
    outcome("play.failed.disconnected", "the connection was lost"),
    outcome("play.failed.terminated", "it was terminated"),
    outcome("dtmf.noinput", "fdt was over for the last time"),
    outcome("transfer.complete", "every file has arrived"),
    outcome("transfer.failed", "a file has not, or the transfer was stopped"),
    outcome("ft.success", "the file is committed, or the peer has it"),
    outcome("ft.partial", "some of the files to send are through; ft.status says why not all"),
    outcome("ft.hashmismatch", "the octets do not have the digest that was declared, or that the script wants"),
    outcome("ft.sizemismatch", "the file does not have the size that was declared"),
    outcome("ft.toolarge", "it is larger than allowed"),
    outcome("ft.badtype", "its type is not accepted"),
    outcome("ft.aborted.remote", "the peer broke off"),
    outcome("ft.aborted.local", "it was terminated"),
    outcome("ft.disconnected", "the connection was lost, or never there"),
    outcome("ft.timeout.first", "no octet came in time"),
    outcome("ft.timeout.idle", "nothing more came for too long"),
    outcome("ft.timeout.max", "maxtime was over"),
    outcome("ft.quota", "the box may not hold more"),
    outcome("ft.rejected.CODE", "a response code of MSML or a status of MSRP says why"),
    outcome("ft.expired", "the time of an <ft:forward> was over"),
    outcome("ft.storage", "the spool could not take or give it"),
];

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, meaning }
}

const fn outcome(name: &'static str, meaning: &'static str) -> Outcome {
    Outcome { name, meaning }
}

/// Whether the manual has this variable.
pub fn is_variable(name: &str) -> bool {
    VARIABLES.iter().any(|variable| variable.name == name)
}

/// Whether the manual has this value of `.end` or `ft.result`.
pub fn is_outcome(value: &str) -> bool {
    let is = |known: &str| match known.strip_suffix("CODE") {
        Some(class) => value.strip_prefix(class).is_some_and(|code| code.parse::<u16>().is_ok()),
        None => known == value,
    };
    OUTCOMES.iter().any(|outcome| is(outcome.name))
}
