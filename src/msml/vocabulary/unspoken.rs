//! The elements of RFC 5707 that mean nothing for files: each is answered 402, never ignored.

use super::Package;

/// By package, in the order of the RFC. The audit packages use some of these names for what they report.
pub const UNSPOKEN: &[(Package, &[&str])] = &[
    (
        Package::Conference,
        &[
            "createconference",
            "modifyconference",
            "destroyconference",
            "reserve",
            "resource",
            "audiomix",
            "n-loudest",
            "asn",
            "videolayout",
            "root",
            "region",
            "selector",
            "join",
            "modifystream",
            "unjoin",
            "monitor",
            "stream",
            "gain",
            "clamp",
            "visual",
            "confid",
        ],
    ),
    (
        Package::DialogBase,
        &["var", "dtmfgen", "dtmfgenexit", "tonegen", "tone", "tone1", "tone2", "silence", "tonegenexit"],
    ),
    (Package::Transform, &["vad", "voice", "tvoice", "tsilence", "agc", "gate", "relay"]),
    (Package::Speech, &["speech", "grammar", "match", "speechexit", "tts"]),
    (Package::FaxDetection, &["faxdetect", "faxdetectexit"]),
    (
        Package::Fax,
        &[
            "faxsend",
            "sendobj",
            "hdrfooter",
            "rxpoll",
            "faxstart",
            "faxnegotiate",
            "faxpagedone",
            "faxobjectdone",
            "faxopcomplete",
            "faxpollstarted",
            "faxpollstart",
            "faxrcv",
            "faxrecv",
            "rcvobj",
            "txpoll",
        ],
    ),
    (Package::Audit, &["confconfig"]),
];
