//! What both sides say in SDP, and what they say it of.

use restante::model::{Digest, DigestAlgorithm, FileInfo};
use restante::sdp::{Description, Direction, FileOffer, LocalSession, LocalStream, Role, Terms, Verdict};

/// SHA-1 of [`memo_octets`].
pub(crate) const MEMO_SHA1: &str = "33:0D:3E:B1:8C:79:5E:D1:37:E0:1D:3E:D7:D2:D7:12:48:EF:59:2F";

/// SHA-1 of [`photo_octets`].
pub(crate) const PHOTO_SHA1: &str = "F4:AB:9A:5D:20:5B:AB:12:F2:C3:F4:3A:C1:19:64:98:0A:77:85:1C";

/// The file of the memo.
pub(crate) fn memo_octets() -> Vec<u8> {
    b"The quick brown fox of box 7.\n".repeat(100)
}

/// The file of the photo.
pub(crate) fn photo_octets() -> Vec<u8> {
    b"Second picture, \x00\x01\r\n".repeat(50)
}

/// Lines to text: CRLF, and the hashes in their places.
pub(crate) fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.replace("{memo}", MEMO_SHA1).replace("{photo}", PHOTO_SHA1) + "\r\n").collect()
}

pub(crate) fn parsed(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Restante in `o=` and `c=`.
pub(crate) fn store(version: u64) -> LocalSession {
    let address = "store.example.org".parse().expect("a host name");
    LocalSession { address, session_id: 4021, version }
}

/// Restante in an `m=` line.
pub(crate) fn terms(session_id: &str) -> Terms {
    Terms {
        path: vec![format!("msrp://store.example.org:2855/{session_id};tcp").parse().expect("a URI")],
        accept_types: vec!["message/cpim".to_owned()],
        accept_wrapped_types: vec!["*".to_owned()],
        ..Terms::default()
    }
}

pub(crate) fn accepting(session_id: &str, file: Option<FileOffer>) -> Verdict {
    let direction = Direction::SendRecv;
    Verdict::Accept(LocalStream { terms: terms(session_id), direction, role: Role::Passive, file })
}

pub(crate) fn sha1(hex: &str) -> Digest {
    Digest::from_hex(DigestAlgorithm::Sha1, hex).expect("a SHA-1")
}

pub(crate) fn memo() -> FileInfo {
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

pub(crate) fn photo() -> FileInfo {
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

pub(crate) fn with_id(info: FileInfo, id: &str) -> FileInfo {
    FileInfo { transfer_id: Some(id.to_owned()), ..info }
}

/// §9.1 F1, from Erin.
pub(crate) const ERIN_PUSHES: &[&str] = &[
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
pub(crate) const STORE_RECEIVES: &[&str] = &[
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

/// The offer we make when we push.
pub(crate) const STORE_PUSHES: &[&str] = &[
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

pub(crate) const ERIN_RECEIVES: &[&str] = &[
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

/// §9.2 F1, from Erin.
pub(crate) const ERIN_PULLS: &[&str] = &[
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
pub(crate) const STORE_SENDS: &[&str] = &[
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
pub(crate) const ERIN_PUSHES_NEXT: &[&str] = &[
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
pub(crate) const STORE_RECEIVES_NEXT: &[&str] = &[
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

/// The offer we make when we pull.
pub(crate) const STORE_PULLS: &[&str] = &[
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

pub(crate) const ERIN_SENDS: &[&str] = &[
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
pub(crate) const STORE_PUSHES_NEXT: &[&str] = &[
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

/// §9.3 F2, from Restante.
pub(crate) const STORE_IS_ABLE: &[&str] = &[
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

/// What Erin answers to it: she connects again, over the connection that is there.
pub(crate) const ERIN_RECEIVES_NEXT: &[&str] = &[
    "v=0",
    "o=erin 77004 2 IN IP4 phone.example.net",
    "s=-",
    "c=IN IP4 phone.example.net",
    "t=0 0",
    "m=message 9 TCP/MSRP *",
    "a=recvonly",
    "a=setup:active",
    "a=accept-types:message/cpim",
    "a=accept-wrapped-types:*",
    "a=path:msrp://phone.example.net:7394/ki37Nb;tcp",
    "a=file-selector:name:\"pier.png\" type:image/png size:1000 hash:sha-1:{photo}",
    "a=file-transfer-id:Pz1Ox7Ic3Uv9Yb5Tn0Rm6Eq2Wl8Kj4Hg",
];
