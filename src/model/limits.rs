//! Every limit that is not an operator's choice: name, unit, value, reason. The operator's are in the configuration.

use std::time::Duration;

/// A sender that skips about pays for it: past this many separate pieces of one message we answer 413.
pub const HOLES_PER_MESSAGE: usize = 64;

/// Octets of an MSRP start line plus headers. Real heads are under 1 KiB; multi-relay paths reach 4 KiB.
pub const MSRP_HEAD_OCTETS: usize = 16 * 1024;

/// Headers in one MSRP request or response.
pub const MSRP_HEADERS: usize = 64;

/// Octets before the content of a `message/cpim`: its headers and those of what is in it. Real ones are under 1 KiB.
pub const CPIM_HEAD_OCTETS: usize = 16 * 1024;

/// Lines in the heads of one `message/cpim`, the inner ones too: a group of a hundred has a hundred `To`.
pub const CPIM_LINES: usize = 256;

/// Envelopes in envelopes: each hop may add one (RFC 3862 §6), and more hops than this are a loop.
pub const CPIM_DEPTH: usize = 8;

/// URIs in one To-Path or From-Path: more relays than this is a loop.
pub const MSRP_PATH_URIS: usize = 16;

/// Sessions that a peer binds to one MSRP connection.
pub const SESSIONS_PER_CONNECTION: usize = 4096;

/// Sessions on the connection to our relay: all that so many calls can have, so that a call is refused by SIP, where the
/// caller hears why, and not one of its streams later on.
pub const SESSIONS_PER_TRUNK: usize = SIP_CALLS * MSRP_RELAY_PATHS;

/// Commands of the engine that may wait for a connection; more means that it has stopped working, and it is closed.
pub const COMMANDS_PER_CONNECTION: usize = 1024;

/// On the connection to our relay they are of all calls at once, each of which may have a few on the way.
pub const COMMANDS_PER_TRUNK: usize = 2 * SESSIONS_PER_TRUNK;

/// Whole messages of one MSRP connection that are being committed; with so many its next octets wait for our disk.
pub const COMMITS_PER_CONNECTION: usize = 16;

/// Messages of one session that arrive interleaved at the same time.
pub const MESSAGES_PER_SESSION: usize = 8;

/// RFC 4975 §7.1.1: a transaction without a response for this long has failed.
pub const MSRP_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// AUTHs to one relay for one path: no credentials, a stale nonce, a lifetime out of bounds, and one to spare.
pub const MSRP_AUTH_TRIES: usize = 5;

/// Calls and streams that wait for a path through our relay; the next is refused at once.
pub const MSRP_RELAY_WAITING: usize = 1024;

/// How long one of them waits. A caller hears ringing meanwhile, and RFC 3261 lets it give up after 32 s.
pub const MSRP_RELAY_PATIENCE: Duration = Duration::from_secs(20);

/// Paths asked for by one offer: each costs everybody a turn at the relay. Streams beyond are refused.
pub const MSRP_RELAY_PATHS: usize = 4;

/// What a relay says of a path that lives shorter is taken for this: renewing must not become all that is done.
pub const MSRP_RELAY_SHORTEST: Duration = Duration::from_secs(15);

/// RFC 4976 §5.4: a connection to a relay of our own stays for an hour after its last session.
pub const MSRP_RELAY_KEPT: Duration = Duration::from_secs(3600);

/// Relays whose dislike of long frames is remembered; the oldest is forgotten first and then found out again.
pub const MSRP_SHORT_FRAME_RELAYS: usize = 1024;

/// For so long: a relay that was repaired gets long frames again the next day.
pub const MSRP_SHORT_FRAME_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Octets of messages without a grant that one MSRP connection keeps aside, so that the other sessions on it go on.
pub const PARKED_OCTETS: usize = 256 * 1024;

/// How long the others on a connection wait for the grant of a message that is larger than that, once per session: an
/// application says `<record>` within a fraction of it, and a voice or a chat does not suffer from it.
pub const PARKED_PATIENCE: Duration = Duration::from_secs(1);

/// From the first octet of an MSRP head to its last: at 16 KiB a line of 5 kbit/s does it.
pub const MSRP_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer that takes not one octet of what waits for it in this time is gone, or wishes us ill.
pub const MSRP_STUCK: Duration = Duration::from_secs(60);

/// Streams to MSRP peers at once: one descriptor and about 10 KiB each when idle.
pub const MSRP_CONNECTIONS: usize = 20_000;

/// Of these, how many from one address: a session border controller has thousands, and nobody may take every place.
pub const MSRP_CONNECTIONS_PER_ADDRESS: usize = 8_000;

/// A TLS handshake takes two round trips and some milliseconds; who takes longer than this holds a place for nothing.
pub const MSRP_HANDSHAKE: Duration = Duration::from_secs(10);

/// A stream that carries no session for this long is of no use to anybody (RFC 4975 §5.4: its opener sends at once).
pub const MSRP_LONELY: Duration = Duration::from_secs(30);

/// A sender that is silent in the middle of a file for this long has gone; its octets are kept for its return.
pub const MSRP_IDLE: Duration = Duration::from_secs(120);

/// Octets sent by a session and not yet answered: enough for 1 Gbit/s at 8 ms, small enough for 10,000 sessions.
pub const SEND_WINDOW_OCTETS: u64 = 1024 * 1024;

/// Octets read from a stream and not yet written to the stage; above it the link stops reading.
pub const UNWRITTEN_OCTETS: usize = 256 * 1024;

/// Octets handed to a socket and not yet taken by it; above it the link makes no more.
pub const UNSENT_OCTETS: usize = 256 * 1024;

/// Incremental success REPORTs (RFC 4975 §7.1.3) go out at most once per this many durable octets.
pub const REPORT_EVERY_OCTETS: u64 = 16 * 1024 * 1024;

/// Octets of one WebSocket message that comes in: its chunk is in memory as a whole (RFC 7977 §5.1).
pub const WEBSOCKET_MESSAGE_OCTETS: usize = 256 * 1024;

/// Octets of one chunk that goes out over a WebSocket: its message is in memory as a whole, and browsers like small ones.
pub const WEBSOCKET_CHUNK_OCTETS: usize = 64 * 1024;

/// A WebSocket client that has not finished its handshake after this long never will.
pub const WEBSOCKET_HANDSHAKE: Duration = Duration::from_secs(10);

/// A WebSocket on which nothing came for this long is asked by Ping (RFC 7977 §6), and given up after twice that without
/// an answer: middleboxes forget an idle connection after a minute.
pub const WEBSOCKET_PING: Duration = Duration::from_secs(30);

/// Relay URIs alive at once on one WebSocket: a page asks for one a call.
pub const RELAY_URIS_PER_CONNECTION: usize = 64;

/// Relay URIs alive at once on all WebSockets, about 300 octets each.
pub const RELAY_URIS: usize = 100_000;

/// How long a relay URI is good if its client does not say (RFC 4976 §6.3).
pub const RELAY_URI_LIFE: Duration = Duration::from_secs(3600);

/// The shortest and the longest life a client may ask for; outside of it AUTH is answered 423.
pub const RELAY_URI_LIVES: std::ops::RangeInclusive<u64> = 60..=86_400;

/// A call with message streams and no connection for any of them is hung up after this time: a BYE may have been lost.
/// Half an hour is what RFC 4028 refreshes sessions in, and longer than any phone takes to connect again.
pub const CALL_DESERTED: Duration = Duration::from_secs(1800);

/// Octets of one SIP message, head and body: RFC 3261 §18.1.1 puts UDP at 65,535.
pub const SIP_MESSAGE_OCTETS: usize = 64 * 1024;

/// Octets of a SIP start line plus headers.
pub const SIP_HEAD_OCTETS: usize = 32 * 1024;

/// Headers in one SIP message.
pub const SIP_HEADERS: usize = 256;

/// Octets of SIP that were read and wait for the engine; with more, sockets are left alone, which slows connections down and
/// loses datagrams, to be sent again. About what is handled in a second, so that whoever is too late is told so.
pub const SIP_UNREAD_OCTETS: u32 = 16 * 1024 * 1024;

/// The same in datagrams and pieces of connections.
pub const SIP_UNREAD: usize = 16 * 1024;

/// SIP transactions alive at once; beyond it new requests get 503 with Retry-After. One that is over stays for 32 s to swallow
/// copies: the INVITE's over TCP, without its messages, and with its response every one over UDP (RFC 3261, timers J and
/// L). So this is 10,000 calls a second over TCP, and 2,500 of four requests over UDP.
pub const SIP_TRANSACTIONS: usize = 320_000;

/// SIP calls alive at once; beyond it an INVITE gets 503 with Retry-After. A call costs about 4 KiB.
pub const SIP_CALLS: usize = 20_000;

/// Of these, how many come from one address: a proxy or an application server may have most of them, and nobody all.
pub const SIP_CALLS_PER_ADDRESS: usize = 16_000;

/// Subscriptions to boxes alive at once; beyond it a SUBSCRIBE gets 503 with Retry-After.
pub const SUBSCRIPTIONS: usize = 50_000;

/// Of these, how many come from one address: a proxy may have most of them, and nobody all.
pub const SUBSCRIPTIONS_PER_ADDRESS: usize = 40_000;

/// To one box: its owner has a few telephones. Whoever has more could have each change told to somebody who did not ask.
pub const SUBSCRIPTIONS_PER_BOX: usize = 64;

/// Seconds that a subscription lasts which says nothing of it (RFC 3842 §3.4).
pub const SUBSCRIPTION_SECS: u32 = 3600;

/// Seconds that one lasts at least: what is renewed more often is work without an end. A shorter one gets 423.
pub const SUBSCRIPTION_SECS_MIN: u32 = 60;

/// Seconds that one lasts at most: whoever is gone for good is forgotten in a day.
pub const SUBSCRIPTION_SECS_MAX: u32 = 86_400;

/// TCP connections whose SIP stream is being framed at once; a further one is closed.
pub const SIP_FLOWS: usize = 4096;

/// Of these, how many from one address: a proxy has dozens, and nobody may take every place.
pub const SIP_FLOWS_PER_ADDRESS: usize = 1024;

/// A TLS handshake below SIP: as [`MSRP_HANDSHAKE`].
pub const SIP_HANDSHAKE: Duration = MSRP_HANDSHAKE;

/// A SIP connection on which nothing arrives for this long is closed; a peer that wants it open sends RFC 5626 pings.
pub const SIP_IDLE: Duration = Duration::from_secs(1800);

/// Octets of a Message-ID of IMDN, or of an address beside it: what is longer asks for nothing.
pub const IMDN_VALUE_OCTETS: usize = 1024;

/// Addresses in an IMDN-Record-Route: a message that has come through more of them asks for nothing.
pub const IMDN_ROUTES: usize = 8;

/// Requests of ours that wait in one SIP dialog; the next is answered with 503.
pub const SIP_QUEUED_REQUESTS: usize = 1024;

/// Seconds after which a session that nobody refreshes is over, as we ask for it (RFC 4028 §4 recommends half an hour).
pub const SESSION_SECS: u32 = 1800;

/// The least that we agree to: RFC 4028 §5 has 90 seconds as the least of all.
pub const SESSION_SECS_MIN: u32 = 90;

/// Places that one call follows redirections to: after so many nobody knows where the peer is.
pub const SIP_REDIRECTIONS: usize = 5;

/// Octets of one SDP body.
pub const SDP_OCTETS: usize = 16 * 1024;

/// Media lines in one SDP body.
pub const SDP_MEDIA: usize = 64;

/// Host names of one SDP body that are looked up to see whether a middlebox changed its addresses; a description of
/// ours has one.
pub const SDP_NAMES: usize = 8;

/// Progress of a file is told once per so many octets: often enough for a progress bar, seldom enough for the engine's queue.
pub const TELL_EVERY_OCTETS: u64 = 1024 * 1024;

/// And not more often than this, whatever a script wants: smaller steps are those of the network.
pub const TELL_LEAST_OCTETS: u64 = 64 * 1024;

/// Requests of one MSML client that wait until the spool has answered the one before: SIP lets it send one at a time.
pub const MSML_REQUESTS_WAITING: usize = 16;

/// Between two progress events of one transfer: each is an INFO, and the client has to answer it before it gets the next.
pub const MSML_PROGRESS_GAP: Duration = Duration::from_millis(250);

/// Octets of one MSML document.
pub const MSML_OCTETS: usize = 256 * 1024;

/// Nested elements in an MSML document.
pub const MSML_DEPTH: usize = 64;

/// Elements in an MSML document.
pub const MSML_ELEMENTS: usize = 4096;

/// In a long MSML document an element has so many octets on average, its end-tag and the space around it included: real ones
/// have twice as many. Without that a few octets would have us keep many.
pub const MSML_ELEMENT_OCTETS: usize = 16;

/// So many elements an MSML document may have however short it is.
pub const MSML_ELEMENTS_OF_ANY_SIZE: usize = 64;

/// Octets of one name in an MSML document, with its prefix.
pub const MSML_NAME_OCTETS: usize = 1024;

/// Attributes of one MSML element.
pub const MSML_ATTRIBUTES: usize = 64;

/// Attributes of all elements of one MSML document together: each costs more than the few octets that it takes to write it.
pub const MSML_ATTRIBUTES_IN_ALL: usize = 8192;

/// XML namespace declarations in force at one place of an MSML document: real ones have two, and each name looks through all.
pub const MSML_NAMESPACES: usize = 32;

/// Shadow variables in one namelist of an MSML script; each makes its event longer.
pub const MSML_NAMELIST: usize = 64;

/// Faults reported for one MSML document; after these a reader has enough to do.
pub const MSML_FAULTS: usize = 32;

/// Octets of all `<auditresult>` in one answer: a datagram carries no more than 64 KiB, headers included.
pub const MSML_AUDIT_OCTETS: usize = 48 * 1024;

/// Connections that one audit may be about; their bare ids fill [`MSML_AUDIT_OCTETS`].
pub const MSML_AUDIT_OBJECTS: usize = 1000;

/// Scripts that are fetched at the same time; the next wait, as long as one may take.
pub const MSML_FETCHES: usize = 64;

/// Files that are moved from place to place at the same time; each has a thread, and the next wait.
pub const FILES_MOVING: usize = 16;

/// How long a site to or from which a file moves may say nothing, if the script does not.
pub const SITE_SILENCE: Duration = Duration::from_secs(60);

/// How long fetching one script may take, redirects and waiting included: a caller waits for what it says.
pub const MSML_FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects on the way to one script; each is asked for anew whether it is allowed.
pub const MSML_FETCH_REDIRECTS: usize = 3;

/// Scripts that are kept to be asked for by their validators (RFC 9110 §13.1); the oldest goes first.
pub const MSML_SCRIPTS_KEPT: usize = 64;

/// MSML dialogs alive on one server: every one may hold a script of `MSML_OCTETS`.
pub const MSML_DIALOGS: usize = 100_000;

/// MSML dialogs alive on one connection.
pub const DIALOGS_PER_CONNECTION: usize = 64;

/// Octets of a box or object name (UTF-8).
pub const NAME_OCTETS: usize = 255;

/// Octets of one envelope on disk: headers are bounded above, icons are refused beyond this.
pub const ENVELOPE_OCTETS: usize = 256 * 1024;

/// Connections to the HTTP door at once: scrapers and probes, people, and programs that bring and fetch files or wait for
/// events. More wait in the listen queue.
pub const HTTP_CONNECTIONS: usize = 256;

/// How long one HTTP connection may last after a file or an event has last moved on it, whatever else it does: nobody can
/// hold a place for ever.
pub const HTTP_CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// Octets of a file that have to move for that time to begin anew: 273 a second, which the slowest phone has.
pub const HTTP_LEAST_OCTETS: usize = 16 * 1024;

/// Octets that are read of a body which has been refused, so that its sender, who is still writing, sees the answer.
pub const HTTP_REFUSED_OCTETS: usize = 1024 * 1024;

/// Octets of an icon in an envelope (RFC 5547 §6 `file-icon`): a preview picture, written there in hexadecimal.
pub const ICON_OCTETS: usize = 64 * 1024;

/// An icon of more octets is kept and not offered: RFC 5547 §8.8 wants them small, and it travels in the signalling.
pub const ICON_OFFERED_OCTETS: usize = 16 * 1024;

/// `file-transfer-id`s that a call remembers (RFC 5547 §8.1): the oldest is forgotten first, and nobody sends so many files
/// in one call without ever beginning another.
pub const TRANSFER_IDS_PER_CALL: usize = 256;

/// How long a peer that has broken a file off, or been told that it failed, may take to close its stream itself
/// (RFC 5547 §8.4); then we do.
pub const BROKEN_STREAM_KEPT: Duration = Duration::from_secs(10);

/// A stream on which we have sent a file is closed after this time (RFC 5547 §8.7), unless the call ends first or the next
/// file takes its place.
pub const SPENT_STREAM_KEPT: Duration = Duration::from_secs(2);

/// Stages alive or waiting to be resumed; each is two small files and about 1 KiB of memory.
pub const STAGES: usize = 20_000;

/// Commits of which is remembered what they came of, so that a sender that repeats its message is told of the object that it
/// has become: a server that forwards repeats after an hour. About 80 octets each.
pub const REMEMBERED_COMMITS: usize = 100_000;

/// Of so many of them a start remembers that their object is at its end already. Each is a file that has to be read: a second
/// for all, or less.
pub const REMEMBERED_ENDS: usize = 20_000;

/// A stage nobody has come back for in this much uptime is removed: phones retry within minutes, people within a day.
pub const STAGE_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The record of a deletion stays this long, so that an operator can still see by whom.
pub const TOMBSTONE_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The body of an interrupted commit of which nothing was reported stays this long under `corrupt/`: a week of second
/// thoughts in case it was not a crash that took its envelope.
pub const ORPHAN_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Octets one write may read back to let the running digests catch up after a hole was filled: about a millisecond.
pub const CATCH_UP_OCTETS: u64 = 1024 * 1024;

/// Objects one file selector may pick; a caller wants one.
pub const SELECTED_OBJECTS: usize = 64;

/// Changes of the index that wait in memory for a transaction of their own: past a few hundred, more of them save nothing.
pub const ENTRIES_BEHIND: usize = 256;

/// Events of boxes that wait to be told. Each second takes them; a sweep that finds more has the rest of them in the log
/// of the process alone.
pub const BOX_EVENTS: usize = 2048;

/// Events in one page of a listing.
pub const LISTED_EVENTS: usize = 1000;

/// Notes for the event log that may wait for the disk: at thousands of calls a second it may take some seconds. Past it
/// events are missing in the log, which says so.
pub const EVENT_NOTES: usize = 32 * 1024;

/// Readers that wait for events at once: each is a connection that stays.
pub const EVENT_READERS: usize = 64;

/// Objects in one page of a listing.
pub const LISTED_OBJECTS: usize = 1000;

/// The fewest octets of a part of an upload that S3 takes.
pub const PART_OCTETS_MIN: u64 = 5 * 1024 * 1024;

/// Parts of one upload: more S3 does not take. Parts of a bigger file are bigger.
pub const PARTS: u64 = 10_000;

/// Parts of a file whose length nobody has declared are so many times as long: 312 GiB of it fit with parts of 8 MiB.
pub const UNDECLARED_PARTS: u64 = 4;

/// Octets of parts that are in memory at once, whoever uploads them; one part goes in any case.
pub const PARTS_IN_FLIGHT_OCTETS: u64 = 48 * 1024 * 1024;

/// Octets fetched from a bucket at a time by whoever reads a body: many requests of 64 KiB would be slow, and each
/// reader has one such window.
pub const BUCKET_WINDOW_OCTETS: u64 = 1024 * 1024;

/// How often something is put again if the bucket leaves open whether it was, or has lost an upload.
pub const BUCKET_ATTEMPTS: u32 = 3;

/// An upload that nobody here knows is given up after this long: the node it belonged to has had time to come back.
pub const UPLOAD_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Octets of the name under which somebody changes what becomes of an object: it is kept with it.
pub const BY_OCTETS: usize = 256;

/// Recipients of one object, those that have it included; past it the oldest of these are forgotten, and if all are still
/// open no more are taken. The state of an object is read whole.
pub const DELIVERIES_PER_OBJECT: usize = 64;

/// Hops that what a rule forwards may take in all, from server to server and over every proxy in between: what two servers
/// forward to each other comes to its end (RFC 7332). RFC 3261 has 70 for calls, of which each would be a copy here.
pub const ROUTED_HOPS: u8 = 16;

/// What a script may say of a file that is forwarded: with the recipient and a reason that is some 3 KiB a delivery, so that
/// the state of an object with all its recipients can be read whole.
pub const DELIVERY_TOLD_OCTETS: usize = 1536;

/// Deliveries that are not settled, on the whole server: they are held in memory, some 500 octets each.
pub const DELIVERIES: usize = 100_000;

/// Outcomes of which others may want to hear and that nobody has taken yet: whoever takes them does so at once. Past it they
/// are looked for in what is written down.
pub const OUTCOMES: usize = 4096;

/// Notices that wait for all targets of one kind, be it webhooks, URLs or SIP URIs: each is a row, and some 300 octets of
/// memory. Whoever can have notices sent by one fills no room but its.
pub const NOTICES: usize = 60_000;

/// Notices that wait for one target; past it the oldest is given up. A webhook that is away for a day must not take the room
/// of all others.
pub const NOTICES_PER_TARGET: usize = 20_000;

/// Notices that were given up and are kept to be looked at or sent again; past it the oldest is forgotten.
pub const NOTICES_DEAD: usize = 10_000;

/// Notices of which is remembered that they are done, so that a start which looks for what was missed says nothing twice: it
/// looks back for minutes.
pub const NOTICES_DONE: usize = 100_000;

/// Disposition notifications at once that the messages of one sender may cause, one more each [`IMDN_EVERY`]: a list that
/// hands on what many write is one sender, too, and whoever floods somebody in its own name gets no further.
pub const IMDN_BURST: u32 = 1000;

/// How long a sender waits for the next beyond [`IMDN_BURST`].
pub const IMDN_EVERY: Duration = Duration::from_millis(20);

/// Senders, or targets, of which is counted how often they were told something, at about 100 octets each.
pub const RATES: usize = 10_000;

/// Octets of one notice: an object with all that is said of it, without its picture, has some 2 KiB.
pub const NOTICE_OCTETS: usize = 64 * 1024;

/// Notices on their way at once to targets of one kind, however many: who stalls them has none of another kind wait.
pub const NOTICES_AT_ONCE: usize = 64;

/// Notices on their way at once to one webhook or URL that answers: at 20 ms an answer, 400 a second.
pub const NOTICES_AT_ONCE_PER_TARGET: usize = 8;

/// Notices in one page of a listing.
pub const LISTED_NOTICES: usize = 1000;

/// How long one attempt to bring a notice may take: whoever is told should take note, and do the work later.
pub const NOTICE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one attempt by SIP may take: its transaction ends after 32 s (RFC 3261 §17.1.2.2), and where it goes is looked up
/// before.
pub const NOTICE_SIP_TIMEOUT: Duration = Duration::from_secs(60);

/// Octets that are read of the answer to a notice: its status says all.
pub const NOTICE_ANSWER_OCTETS: usize = 16 * 1024;

/// Wishes of operators about notices that wait to be fulfilled.
pub const NOTICE_WISHES: usize = 64;

/// Octets of the URL that is told of the end of a delivery: it is kept with the delivery.
pub const NOTIFY_OCTETS: usize = 512;
