//! The input is a path of MSRP URIs: what is read is printed and read alike, and names are compared the same from both ends.

use restante::model::limits::MSRP_PATH_URIS;
use restante::msrp::{MsrpUri, SessionMatch};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = MsrpUri::parse_path(text) else { return };
    assert!((1..=MSRP_PATH_URIS).contains(&path.len()));
    let printed = MsrpUri::print_path(&path);
    assert!(!printed.contains(['\r', '\n']), "a header stays one line");
    assert_eq!(MsrpUri::parse_path(&printed).as_ref(), Ok(&path), "what is printed is read back");
    for one in &path {
        assert!(one.matches(one));
        assert!(one.port.is_some() || one.address().is_none(), "RFC 4975 §6: a numeric host has a port");
        for two in &path {
            assert_eq!(one.matches(two), two.matches(one));
            let by_id = one.names_session(two, SessionMatch::Id);
            assert!(by_id || !one.matches(two) || one.session_id.is_none(), "the id is part of the whole");
        }
    }
}
