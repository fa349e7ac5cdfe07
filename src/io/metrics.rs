//! The numbers behind `/metrics`: their names, units and meaning, written once.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::model::Wall;
use crate::queue::Name;
use crate::spool::{Delivery, NoticeTally, Progress};

/// Gauge: transfers in progress; label `direction` is `in` or `out`.
pub const TRANSFERS_ACTIVE: &str = "restante_transfers_active";
/// Counter: octets of file content moved; label `direction` is `in` or `out`.
pub const TRANSFER_OCTETS: &str = "restante_transfer_octets_total";
/// Counter: chunks (SEND requests) handled; label `result` is `accepted`, `refused` or `sent`.
pub const CHUNKS: &str = "restante_chunks_total";
/// Histogram: seconds a commit takes, from the sealed body to the published envelope.
pub const COMMIT_SECONDS: &str = "restante_commit_seconds";
/// Gauge: committed objects in the spool.
pub const SPOOL_OBJECTS: &str = "restante_spool_objects";
/// Gauge: files still arriving or suspended.
pub const SPOOL_STAGES: &str = "restante_spool_stages";
/// Gauge: committed objects that still have to follow into the bucket.
pub const SPOOL_FOLLOWING: &str = "restante_spool_following";
/// Gauge: objects in the boxes of a class; label `class` is the pattern of its `[[boxes]]`, empty for boxes that fit none.
pub const SPOOL_CLASS_OBJECTS: &str = "restante_spool_class_objects";
/// Gauge: octets of their files.
pub const SPOOL_OCTETS: &str = "restante_spool_octets";
/// Gauge: boxes of a class that hold something.
pub const SPOOL_BOXES: &str = "restante_spool_boxes";
/// Gauge: boxes of a class that have reached the share of a quota at which somebody is warned.
pub const SPOOL_BOXES_NEARLY_FULL: &str = "restante_spool_boxes_nearly_full";
/// Counter: files that were refused because of a box's quota, by class.
pub const SPOOL_QUOTA_REFUSALS: &str = "restante_spool_quota_refusals_total";
/// Counter: objects of which it was said that they have expired.
pub const SPOOL_EXPIRED: &str = "restante_spool_expired_total";
/// Counter: deleted and expired objects whose octets have gone.
pub const SPOOL_ENDED: &str = "restante_spool_ended_total";
/// Gauge: octets free on the spool's disk.
pub const SPOOL_FREE_OCTETS: &str = "restante_spool_free_octets";
/// Gauge: files set aside because they are damaged.
pub const SPOOL_CORRUPT: &str = "restante_spool_corrupt";
/// Whether the index has left the disk.
pub const INDEX_IN_MEMORY: &str = "restante_index_in_memory";
/// Counter: octets read again to see whether they are sound.
pub const SCRUB_OCTETS: &str = "restante_scrub_octets_total";
/// Counter: damage found by that.
pub const SCRUB_CORRUPT: &str = "restante_scrub_corrupt_total";
/// Counter: MSRP responses we sent; label `code`.
pub const MSRP_RESPONSES: &str = "restante_msrp_responses_total";
/// Counter: REPORTs we sent; label `kind` is `sent`, label `status` is `200` or `other`.
pub const REPORTS: &str = "restante_reports_total";
/// Counter: final SIP responses we sent; labels `method` and `code`.
pub const SIP_RESPONSES: &str = "restante_sip_responses_total";
/// Counter: failed syncs. Any is a reason for `/readyz` to say no.
pub const FSYNC_ERRORS: &str = "restante_fsync_errors_total";
/// Gauge: MSRP sessions alive.
pub const SESSIONS: &str = "restante_sessions";
/// Gauge: 1 while new calls are refused because there is too much to do; label `whose` is `trusted` (who may command by his
/// address) or `others`.
pub const BUSY: &str = "restante_busy";
/// Gauge: SIP dialogs alive.
pub const DIALOGS: &str = "restante_dialogs";
/// Gauge: deliveries that are not settled; label `queue` is `incoming`, `active`, `deferred` or `hold`.
pub const QUEUE: &str = "restante_queue_deliveries";
/// Counter: attempts that have begun.
pub const ATTEMPTS: &str = "restante_delivery_attempts_total";
/// Counter: deliveries that are settled; label `state` is `delivered`, `failed`, `expired` or `cancelled`.
pub const DELIVERIES: &str = "restante_deliveries_total";
/// Gauge: notices that others have not taken yet; label `state` is `waiting` or `dead`.
pub const NOTICES: &str = "restante_notices";
/// Gauge: seconds since the oldest notice that waits was written down.
pub const NOTICES_OLDEST: &str = "restante_notices_oldest_seconds";
/// Counter: what has come of attempts to bring notices; label `result` is `taken`, `deferred` or `dead`.
pub const NOTICES_BROUGHT: &str = "restante_notices_total";

/// Bounds in seconds: from one fdatasync of a fast disk to a disk in trouble.
const COMMIT_BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Makes the process count, once; every call gives the same handle.
///
/// # Panics
/// If another recorder was installed before the first call, which nothing in this program does.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(start).clone()
}

fn start() -> PrometheusHandle {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(COMMIT_SECONDS.to_owned()), &COMMIT_BUCKETS)
        .expect("the list of buckets isn't empty")
        .install_recorder()
        .expect("no other recorder is installed in this program");
    describe();
    handle
}

fn describe() {
    describe_gauge!(TRANSFERS_ACTIVE, "Transfers in progress by direction");
    describe_counter!(TRANSFER_OCTETS, Unit::Bytes, "Octets of file content moved by direction");
    describe_counter!(CHUNKS, "Chunks (SEND requests) by result");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "One commit, from the sealed body to the published envelope");
    describe_gauge!(SPOOL_OBJECTS, "Committed objects in the spool");
    describe_gauge!(SPOOL_STAGES, "Files still arriving or suspended");
    describe_gauge!(SPOOL_FOLLOWING, "Committed objects that still have to follow into the bucket");
    describe_gauge!(SPOOL_CLASS_OBJECTS, "Objects in the boxes of a class");
    describe_gauge!(SPOOL_OCTETS, Unit::Bytes, "Octets of the files in the boxes of a class");
    describe_gauge!(SPOOL_BOXES, "Boxes of a class that hold something");
    describe_gauge!(SPOOL_BOXES_NEARLY_FULL, "Boxes of a class that have nearly used a quota");
    describe_counter!(SPOOL_QUOTA_REFUSALS, "Files refused because of a quota by class");
    describe_counter!(SPOOL_EXPIRED, "Objects that have expired");
    describe_counter!(SPOOL_ENDED, "Deleted and expired objects whose octets have gone");
    describe_gauge!(SPOOL_FREE_OCTETS, Unit::Bytes, "Octets free on the disk of the spool");
    describe_gauge!(INDEX_IN_MEMORY, "1 if the index could not be kept on the disk");
    describe_gauge!(SPOOL_CORRUPT, "Files set aside because they are damaged");
    describe_counter!(SCRUB_OCTETS, Unit::Bytes, "Octets read again to see whether they are sound");
    describe_counter!(SCRUB_CORRUPT, "Damage found by reading again");
    describe_counter!(MSRP_RESPONSES, "MSRP responses sent by code");
    describe_counter!(REPORTS, "REPORTs sent by status");
    describe_counter!(SIP_RESPONSES, "Final SIP responses sent by method and code");
    describe_counter!(FSYNC_ERRORS, "Failed syncs");
    describe_gauge!(SESSIONS, "MSRP sessions alive");
    describe_gauge!(BUSY, "1 while new calls are refused because there is too much to do");
    describe_gauge!(DIALOGS, "SIP dialogs alive");
    describe_gauge!(QUEUE, "Deliveries that are not settled by queue");
    describe_counter!(ATTEMPTS, "Attempts of deliveries that have begun");
    describe_counter!(DELIVERIES, "Settled deliveries by state");
    describe_gauge!(NOTICES, "Notices that were not taken yet by state");
    describe_gauge!(NOTICES_OLDEST, Unit::Seconds, "Age of the oldest notice that waits");
    describe_counter!(NOTICES_BROUGHT, "Notices by what has come of bringing them");
}

/// How many notices there are, and how old the oldest is.
pub(super) fn notices(tally: &NoticeTally, now: Wall) {
    metrics::gauge!(NOTICES, "state" => "waiting").set(tally.waiting as f64);
    metrics::gauge!(NOTICES, "state" => "dead").set(tally.dead as f64);
    metrics::gauge!(NOTICES_OLDEST).set(tally.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64()));
}

/// What has come of an attempt to bring a notice.
pub(super) fn notice(result: &'static str) {
    metrics::counter!(NOTICES_BROUGHT, "result" => result).increment(1);
}

/// Octets of file content came in.
pub(super) fn received(octets: usize) {
    metrics::counter!(TRANSFER_OCTETS, "direction" => "in").increment(octets as u64);
}

/// Octets of file content went out.
pub(super) fn sent(octets: usize) {
    metrics::counter!(TRANSFER_OCTETS, "direction" => "out").increment(octets as u64);
}

/// An MSRP request or response went out: `word` is its method or status, `head` begins with its head.
pub(super) fn msrp_sent(word: &str, head: &[u8]) {
    match word {
        "SEND" => metrics::counter!(CHUNKS, "result" => "sent").increment(1),
        "REPORT" => {
            let status = if report_status(head) == Some("200") { "200" } else { "other" };
            metrics::counter!(REPORTS, "kind" => "sent", "status" => status).increment(1);
        }
        // What goes out begins with a head or is a piece of a file that may say anything: only real codes count.
        "200" | "400" | "403" | "408" | "413" | "415" | "423" | "481" | "501" | "506" => {
            let code = word;
            let result = if code == "200" { "accepted" } else { "refused" };
            metrics::counter!(CHUNKS, "result" => result).increment(1);
            metrics::counter!(MSRP_RESPONSES, "code" => code.to_owned()).increment(1);
        }
        _ => {}
    }
}

/// The code of a `Status: 000 200 OK` line.
fn report_status(head: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(head).ok()?;
    let (_, status) = text.split_once("\r\nStatus: 000 ")?;
    status.get(..3)
}

/// A SIP message goes out; final responses are counted by method and code.
pub(super) fn sip_sent(octets: &[u8]) {
    let Some(line) = octets.strip_prefix(b"SIP/2.0 ") else { return };
    let Some(code) =
        line.get(..3).and_then(|code| std::str::from_utf8(code).ok()).filter(|code| !code.starts_with('1'))
    else {
        return;
    };
    let method = memchr::memmem::find(octets, b"\r\nCSeq: ")
        .and_then(|at| octets[at + 8..].split(|octet| *octet == b'\r').next())
        .and_then(|value| value.rsplit(|octet| *octet == b' ').next())
        .and_then(|method| std::str::from_utf8(method).ok())
        .unwrap_or("unknown");
    // A peer invents methods, not time series.
    let known = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO"].into_iter().find(|known| *known == method);
    metrics::counter!(SIP_RESPONSES, "method" => known.unwrap_or("other"), "code" => code.to_owned()).increment(1);
}

/// Whether new calls are refused because there is too much to do.
pub(super) fn busy(whose: &'static str, busy: bool) {
    metrics::gauge!(BUSY, "whose" => whose).set(f64::from(u8::from(busy)));
}

/// How many things are alive.
pub(super) fn census(census: crate::engine::Census) {
    metrics::gauge!(DIALOGS).set(census.calls as f64);
    metrics::gauge!(SESSIONS).set(census.sessions as f64);
    metrics::gauge!(TRANSFERS_ACTIVE, "direction" => "in").set(census.receiving as f64);
    metrics::gauge!(TRANSFERS_ACTIVE, "direction" => "out").set(census.sending as f64);
}

/// How much is in each queue.
pub(super) fn queue(counts: [(Name, usize); 4]) {
    for (name, count) in counts {
        metrics::gauge!(QUEUE, "queue" => name.word()).set(count as f64);
    }
}

/// A delivery was written down.
pub(super) fn delivery(delivery: &Delivery) {
    match delivery.progress {
        Progress::Waiting => {}
        Progress::Trying => metrics::counter!(ATTEMPTS).increment(1),
        settled => metrics::counter!(DELIVERIES, "state" => settled.word()).increment(1),
    }
}

/// A commit took this long.
pub(super) fn committed(took: std::time::Duration) {
    metrics::histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
}

/// So many octets were read again, and so much damage was found in them.
pub(super) fn scrubbed(octets: u64, damaged: usize) {
    metrics::counter!(SCRUB_OCTETS).increment(octets);
    metrics::counter!(SCRUB_CORRUPT).increment(damaged as u64);
}

/// What a sweep has done.
pub(super) fn swept(swept: &crate::spool::Swept) {
    metrics::counter!(SPOOL_EXPIRED).increment(swept.expired);
    metrics::counter!(SPOOL_ENDED).increment(swept.ended);
}

/// What the spool says of itself.
pub(super) fn spool(status: &crate::spool::SpoolStatus) {
    metrics::gauge!(SPOOL_OBJECTS).set(status.objects as f64);
    metrics::gauge!(SPOOL_STAGES).set(status.stages as f64);
    metrics::gauge!(SPOOL_FOLLOWING).set(status.following as f64);
    metrics::gauge!(SPOOL_FREE_OCTETS).set(status.free_octets as f64);
    metrics::gauge!(INDEX_IN_MEMORY).set(f64::from(u8::from(status.index_lost.is_some())));
    metrics::gauge!(SPOOL_CORRUPT).set(status.corrupt as f64);
    metrics::counter!(FSYNC_ERRORS).absolute(status.sync_errors);
    for usage in &status.classes {
        let class = || usage.class.clone();
        metrics::gauge!(SPOOL_CLASS_OBJECTS, "class" => class()).set(usage.objects as f64);
        metrics::gauge!(SPOOL_OCTETS, "class" => class()).set(usage.octets as f64);
        metrics::gauge!(SPOOL_BOXES, "class" => class()).set(usage.boxes as f64);
        metrics::gauge!(SPOOL_BOXES_NEARLY_FULL, "class" => class()).set(usage.nearly_full as f64);
        metrics::counter!(SPOOL_QUOTA_REFUSALS, "class" => class()).absolute(usage.refused);
    }
}
