//! The flows of RFC 5547 §9 as texts, with Restante on either side: push, pull with a second file, capabilities.
//!
//! Erin's phone is `phone.example.net`, Restante is `store.example.org`.

use restante::model::{Digest, DigestAlgorithm, FileInfo};
use restante::sdp::{
    Description, Direction, FileOffer, FileRange, LocalSession, LocalStream, OfferedStream, Role, Terms, Verdict, Wish,
    answer, capabilities, offer, read_answer, read_offer, reoffer,
};

const MEMO_SHA1: &str = "33:0D:3E:B1:8C:79:5E:D1:37:E0:1D:3E:D7:D2:D7:12:48:EF:59:2F";
const PHOTO_SHA1: &str = "F4:AB:9A:5D:20:5B:AB:12:F2:C3:F4:3A:C1:19:64:98:0A:77:85:1C";

/// Lines to text: CRLF, and the hashes in their places.
fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.replace("{memo}", MEMO_SHA1).replace("{photo}", PHOTO_SHA1) + "\r\n").collect()
}

fn parsed(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Restante in `o=` and `c=`.
fn store(version: u64) -> LocalSession {
    let address = "store.example.org".parse().expect("a host name");
    LocalSession { address, session_id: 4021, version }
}

/// Restante in an `m=` line.
fn terms(session_id: &str) -> Terms {
    Terms {
        path: vec![format!("msrp://store.example.org:2855/{session_id};tcp").parse().expect("a URI")],
        accept_types: vec!["message/cpim".to_owned()],
        accept_wrapped_types: vec!["*".to_owned()],
        max_size: None,
    }
}

fn accepting(session_id: &str, file: Option<FileOffer>) -> Verdict {
    let direction = Direction::SendRecv;
    Verdict::Accept(LocalStream { terms: terms(session_id), direction, role: Role::Passive, file })
}

fn sha1(hex: &str) -> Digest {
    Digest::from_hex(DigestAlgorithm::Sha1, hex).expect("a SHA-1")
}

fn memo() -> FileInfo {
    FileInfo {
        name: Some("memo for box 7.wav".to_owned()),
        size: Some(3000),
        media_type: Some("audio/wav".to_owned()),
        digests: vec![sha1(MEMO_SHA1)],
        disposition: Some("render".to_owned()),
        created: Some("Mon, 2 Nov 2026 09:30:00 +0100".to_owned()),
        ..FileInfo::default()
    }
}

fn photo() -> FileInfo {
    FileInfo {
        name: Some("pier.png".to_owned()),
        size: Some(1000),
        media_type: Some("image/png".to_owned()),
        digests: vec![sha1(PHOTO_SHA1)],
        disposition: Some("render".to_owned()),
        created: Some("Tue, 3 Nov 2026 18:05:09 +0100".to_owned()),
        ..FileInfo::default()
    }
}

fn with_id(info: FileInfo, id: &str) -> FileInfo {
    FileInfo { transfer_id: Some(id.to_owned()), ..info }
}

/// §9.1 F1, from Erin.
const ERIN_PUSHES: &[&str] = &[
    "v=0",
    "o=erin 77001 77001 IN IP4 phone.example.net",
    "s=",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 7394 TCP/MSRP *",
    "i=My memo",
    "a=sendonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/kd82Hw;tcp",
    "a=file-selector:name:\"memo for box 7.wav\" type:audio/wav size:3000 hash:sha-1:{memo}",
    "a=file-transfer-id:Kd0Pp2Xw8Rz5Tq1Lm7Vn3Bc9Fg4Hj6Ys",
    "a=file-disposition:render",
    "a=file-date:creation:\"Mon, 2 Nov 2026 09:30:00 +0100\"",
    "a=file-icon:cid:icon1@phone.example.net",
];

/// §9.1 F2, from Restante.
const STORE_RECEIVES: &[&str] = &[
    "v=0",
    "o=- 4021 1 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=recvonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/s7Qm2v;tcp",
    "a=setup:passive",
    "a=file-selector:name:\"memo for box 7.wav\" type:audio/wav size:3000 hash:sha-1:{memo}",
    "a=file-transfer-id:Kd0Pp2Xw8Rz5Tq1Lm7Vn3Bc9Fg4Hj6Ys",
];

// M5547-8-01 M5547-8.1-03 M5547-8.3.1-03 M5547-8.3.1-04 M5547-8.3.1-05 M5547-8.3.1-06 M5547-5-03 M6135-4.2.1-01
// M3264-5-04 M3264-6-01 M4975-8.1-01 M4975-8.1-04 M4975-8.1-05
#[test]
fn a_pushed_file_is_answered_with_its_own_selector_and_id() {
    let erin = parsed(&text(ERIN_PUSHES));

    let streams = read_offer(&erin);
    let file = FileOffer {
        info: with_id(memo(), "Kd0Pp2Xw8Rz5Tq1Lm7Vn3Bc9Fg4Hj6Ys"),
        icon: Some("cid:icon1@phone.example.net".to_owned()),
        range: None,
    };
    assert_eq!(streams[0].wish, Wish::Push(file));
    assert_eq!(streams[0].role, Role::Passive);

    let answer = answer(&erin, &[accepting("s7Qm2v", None)], &store(1));
    assert_eq!(answer.to_string(), text(STORE_RECEIVES));
}

/// The offer we make when we push.
const STORE_PUSHES: &[&str] = &[
    "v=0",
    "o=- 4021 1 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=sendonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/s8Rn3w;tcp",
    "a=setup:actpass",
    "a=file-selector:name:\"memo for box 7.wav\" type:audio/wav size:3000 hash:sha-1:{memo}",
    "a=file-transfer-id:Yx5Jd1Kq8Ls4Mw0Nz7Pb2Rc6Tf9Vg3Hk",
    "a=file-disposition:render",
    "a=file-date:creation:\"Mon, 2 Nov 2026 09:30:00 +0100\"",
    "a=file-icon:cid:icon9@store.example.org",
    "a=file-range:1-*",
];

const ERIN_RECEIVES: &[&str] = &[
    "v=0",
    "o=erin 77002 77002 IN IP4 phone.example.net",
    "s=",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 7394 TCP/MSRP *",
    "a=recvonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/ke93Jx;tcp",
    "a=file-selector:name:\"memo for box 7.wav\" type:audio/wav size:3000 hash:sha-1:{memo}",
    "a=file-transfer-id:Yx5Jd1Kq8Ls4Mw0Nz7Pb2Rc6Tf9Vg3Hk",
    "a=file-range:1-*",
];

// M5547-8.2-02 M5547-8.2.1-01 M5547-8.2.1-02 M5547-8.2.1-03 M5547-8.2.1-04 M5547-8.1-01 M5547-8.1-02 M5547-6-19
// M6135-4.2.2-03 M4975-5.4-02
#[test]
fn a_file_we_push_is_offered_with_all_we_know_of_it() {
    let file = FileOffer {
        info: with_id(memo(), "Yx5Jd1Kq8Ls4Mw0Nz7Pb2Rc6Tf9Vg3Hk"),
        icon: Some("cid:icon9@store.example.org".to_owned()),
        range: Some(FileRange::from_offset(0)),
    };
    let pushed =
        OfferedStream { terms: terms("s8Rn3w"), direction: Direction::SendOnly, reachable: true, file: Some(file) };
    let offer = offer(&store(1), &[pushed]);
    assert_eq!(offer.to_string(), text(STORE_PUSHES));

    let agreed = read_answer(&offer, &parsed(&text(ERIN_RECEIVES))).expect("an answer");
    let agreed = agreed[0].as_ref().expect("an accepted stream");
    assert_eq!((agreed.direction, agreed.role), (Direction::SendOnly, Role::Active));
    assert_eq!(agreed.terms.path[0].to_string(), "msrp://phone.example.net:7394/ke93Jx;tcp");
    assert!(agreed.terms.accept_wrapped("audio/wav") && !agreed.terms.accept("audio/wav"));
}

/// §9.2 F1, from Erin.
const ERIN_PULLS: &[&str] = &[
    "v=0",
    "o=erin 77003 5 IN IP4 phone.example.net",
    "s=",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 7394 TCP/MSRP *",
    "a=recvonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/kf04Ky;tcp",
    "a=file-selector:hash:sha-1:{memo}",
    "a=file-transfer-id:Bn6Vm1Cx8Zl3Kj9Hg5Fd2Sa7Qw0Er4Ty",
];

/// §9.2 F2, from Restante.
const STORE_SENDS: &[&str] = &[
    "v=0",
    "o=- 4021 1 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=sendonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/s9So4x;tcp",
    "a=setup:passive",
    "a=file-selector:type:audio/wav hash:sha-1:{memo}",
    "a=file-transfer-id:Bn6Vm1Cx8Zl3Kj9Hg5Fd2Sa7Qw0Er4Ty",
];

/// §9.2 F6, from Erin: the same line, now for a file of hers.
const ERIN_PUSHES_NEXT: &[&str] = &[
    "v=0",
    "o=erin 77003 6 IN IP4 phone.example.net",
    "s=",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 7394 TCP/MSRP *",
    "i=The pier at night",
    "a=sendonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/kg15Lz;tcp",
    "a=file-selector:name:\"pier.png\" type:image/png size:1000 hash:sha-1:{photo}",
    "a=file-transfer-id:Wq9Er3Ty7Ui1Op5As0Df4Gh8Jk2Lz6Xc",
    "a=file-disposition:render",
    "a=file-date:creation:\"Tue, 3 Nov 2026 18:05:09 +0100\"",
    "a=file-icon:cid:icon2@phone.example.net",
];

/// §9.2 F7, from Restante.
const STORE_RECEIVES_NEXT: &[&str] = &[
    "v=0",
    "o=- 4021 2 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=recvonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/t0Tp5y;tcp",
    "a=setup:passive",
    "a=file-selector:name:\"pier.png\" type:image/png size:1000 hash:sha-1:{photo}",
    "a=file-transfer-id:Wq9Er3Ty7Ui1Op5As0Df4Gh8Jk2Lz6Xc",
];

// M5547-8-02 M5547-8.3.2-10 M5547-8.3.2-11 M5547-8.3.2-12 M5547-8.3.2-13 M5547-8.6-01 M3264-8-02 M4975-8.4-01
// P14: the answer to F6 has no file-disposition, though figure 20 has.
#[test]
fn a_pulled_file_is_sent_and_its_line_then_serves_a_pushed_one() {
    let erin = parsed(&text(ERIN_PULLS));
    let Wish::Pull(wanted) = &read_offer(&erin)[0].wish else { panic!("a pull") };
    assert_eq!(wanted.info.digests, [sha1(MEMO_SHA1)]);
    let chosen = FileInfo { disposition: None, ..memo() };
    let found = FileOffer { info: chosen, ..FileOffer::default() };
    let first = answer(&erin, &[accepting("s9So4x", Some(found))], &store(1));
    assert_eq!(first.to_string(), text(STORE_SENDS));

    let erin = parsed(&text(ERIN_PUSHES_NEXT));
    assert!(matches!(read_offer(&erin)[0].wish, Wish::Push(_)));
    let second = answer(&erin, &[accepting("t0Tp5y", None)], &store(1)).succeeding(&first);
    assert_eq!(second.to_string(), text(STORE_RECEIVES_NEXT));
}

/// The offer we make when we pull.
const STORE_PULLS: &[&str] = &[
    "v=0",
    "o=- 4021 1 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=recvonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/t1Uq6z;tcp",
    "a=setup:actpass",
    "a=file-selector:hash:sha-1:{memo}",
    "a=file-transfer-id:Gt5Hy9Ju3Ki7Lo1Mp6Na2Qb8Rc0Sd4Ve",
];

const ERIN_SENDS: &[&str] = &[
    "v=0",
    "o=erin 77004 1 IN IP4 phone.example.net",
    "s=-",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 9 TCP/MSRP *",
    "a=sendonly",
    "a=setup:active",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/kh26Ma;tcp",
    "a=file-selector:type:audio/wav hash:sha-1:{memo}",
    "a=file-transfer-id:Gt5Hy9Ju3Ki7Lo1Mp6Na2Qb8Rc0Sd4Ve",
];

/// The second offer of the session: the finished line serves a file of ours.
const STORE_PUSHES_NEXT: &[&str] = &[
    "v=0",
    "o=- 4021 2 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 2855 TCP/MSRP *",
    "a=sendonly",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://store.example.org:2855/t2Vr7a;tcp",
    "a=setup:actpass",
    "a=file-selector:name:\"pier.png\" type:image/png size:1000 hash:sha-1:{photo}",
    "a=file-transfer-id:Pz1Ox7Ic3Uv9Yb5Tn0Rm6Eq2Wl8Kj4Hg",
    "a=file-disposition:render",
    "a=file-date:creation:\"Tue, 3 Nov 2026 18:05:09 +0100\"",
];

// M5547-8.2.2-01 M5547-8.2.2-02 M5547-8.2.2-04 M5547-8.2.2-05 M5547-8.6-01 M5547-8.7-04 M3264-8.1-01 M6135-4.2.2-09
#[test]
fn a_file_we_pull_is_asked_for_by_its_hash_and_its_line_then_serves_one_of_ours() {
    let wanted = FileInfo { digests: vec![sha1(MEMO_SHA1)], ..FileInfo::default() };
    let file = FileOffer { info: with_id(wanted, "Gt5Hy9Ju3Ki7Lo1Mp6Na2Qb8Rc0Sd4Ve"), ..FileOffer::default() };
    let pulled =
        OfferedStream { terms: terms("t1Uq6z"), direction: Direction::RecvOnly, reachable: true, file: Some(file) };
    let first = offer(&store(1), &[pulled]);
    assert_eq!(first.to_string(), text(STORE_PULLS));

    let agreed = read_answer(&first, &parsed(&text(ERIN_SENDS))).expect("an answer");
    let agreed = agreed[0].as_ref().expect("an accepted stream");
    assert_eq!((agreed.direction, agreed.role), (Direction::RecvOnly, Role::Passive));
    let told = &agreed.file.as_ref().expect("a file").info;
    assert_eq!((told.media_type.as_deref(), &told.digests[..]), (Some("audio/wav"), &[sha1(MEMO_SHA1)][..]));

    let file = FileOffer { info: with_id(photo(), "Pz1Ox7Ic3Uv9Yb5Tn0Rm6Eq2Wl8Kj4Hg"), ..FileOffer::default() };
    let pushed =
        OfferedStream { terms: terms("t2Vr7a"), direction: Direction::SendOnly, reachable: true, file: Some(file) };
    assert_eq!(reoffer(&first, &[0], Some(&pushed)).to_string(), text(STORE_PUSHES_NEXT));
}

/// §9.3 F2, from Restante.
const STORE_IS_ABLE: &[&str] = &[
    "v=0",
    "o=- 4021 1 IN IP4 store.example.org",
    "s=-",
    "c=IN IP4 store.example.org",
    "t=0 0",
    "m=message 0 TCP/MSRP *",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=max-size:20000",
    "a=file-selector",
];

// M5547-6-03 M5547-8.5-01 M5547-8.5-02 M5547-8.5-03 M3264-9-01 M3264-9-02 M3264-9-03
#[test]
fn an_options_request_is_told_of_file_transfer_by_a_bare_selector() {
    let able = capabilities(&store(1), &Terms { max_size: Some(20_000), ..terms("unused") });
    assert_eq!(able.to_string(), text(STORE_IS_ABLE));
    assert_eq!(parsed(&text(STORE_IS_ABLE)), able);
}
