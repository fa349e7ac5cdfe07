//! Which connection a session gets, and which of its messages a grant, as the engine decides it.

mod board;

use std::time::Duration;

use board::{Board, granted, rejected, sip_text};
use restante::engine::{Bearer, Command, Input, LinkId, Notice, Output, PeerCertificate, Unattended};
use restante::msrp::{Carrier, InboundKey, SendFailure, SessionKey, StatusCode};
use restante::sdp::{Fingerprint, HashFunction};

/// A call with one stream, which has connected by link 1.
fn connected(unattended: Unattended) -> (Board, board::Call, SessionKey) {
    let mut board = Board::new(unattended);
    let call = board.invite(1);
    board.link(1);
    let Some(Command::Bind(spec)) = board.knock(1, &call.paths[0]) else { panic!("the session is known") };
    (board, call, spec.key)
}

#[test]
fn where_the_request_uri_says_where_files_go_messages_are_taken_side_by_side() {
    let (mut board, _, session) = connected(Unattended::Deposit);
    assert_eq!(granted(&board.arrives(1, session, 1)), [1]);
    assert_eq!(granted(&board.arrives(1, session, 2)), [2], "begun inside the first");
    assert_eq!(board.engine.census().receiving, 2);
}

#[test]
fn a_record_takes_one_message_and_the_next_record_the_next() {
    let (mut board, call, session) = connected(Unattended::Hold);
    assert!(granted(&board.arrives(1, session, 1)).is_empty());
    assert_eq!(granted(&board.record(&call)), [1]);
    assert!(granted(&board.arrives(1, session, 2)).is_empty());
    // Nobody asks for the second while the first is under way, however long that takes.
    for _ in 0..5 {
        assert!(rejected(&board.pass(Duration::from_secs(20))).is_empty());
    }
    let lost = Notice::Lost(InboundKey(1), restante::engine::ReceiveFailure::AbortedRemote, 3);
    assert!(granted(&board.notice(1, lost)).is_empty());
    assert!(rejected(&board.pass(Duration::from_secs(19))).is_empty(), "its time begins when the first one is over");
    assert_eq!(granted(&board.record(&call)), [2]);
}

#[test]
fn a_message_that_nobody_asks_for_is_refused_when_its_time_is_over() {
    let (mut board, call, session) = connected(Unattended::Hold);
    board.arrives(1, session, 1);
    assert!(rejected(&board.pass(Duration::from_millis(19_900))).is_empty());
    assert_eq!(rejected(&board.pass(Duration::from_millis(100)))[&1], StatusCode::STOP_SENDING.0);
    assert!(granted(&board.record(&call)).is_empty(), "it is gone");
}

#[test]
fn a_record_whose_grant_crossed_with_a_refusal_waits_for_the_next_message() {
    for crossed in [false, true] {
        let (mut board, call, session) = connected(Unattended::Hold);
        board.arrives(1, session, 1);
        if crossed {
            assert_eq!(granted(&board.record(&call)), [1]);
        }
        board.notice(1, Notice::Withdrawn(InboundKey(1)));
        assert_eq!(board.engine.census().receiving, 0);
        if !crossed {
            assert!(granted(&board.record(&call)).is_empty());
        }
        assert_eq!(granted(&board.arrives(1, session, 2)), [2]);
    }
}

// M4975-5.4-17 M4975-5.4-18
#[test]
fn a_session_whose_connection_was_lost_takes_a_new_sdp_exchange() {
    let (mut board, call, session) = connected(Unattended::Hold);
    board.notice(1, Notice::Closed);
    board.link(2);
    let Some(Command::Refuse(_, status)) = board.knock(2, &call.paths[0]) else { panic!("it has failed") };
    assert_eq!(status, StatusCode::NO_SUCH_SESSION);
    let outputs = board.reinvite(&call);
    assert!(outputs.iter().filter_map(sip_text).any(|text| text.starts_with("SIP/2.0 200")));
    let Some(Command::Bind(spec)) = board.knock(2, &call.paths[0]) else { panic!("it was agreed on again") };
    assert_eq!(spec.key, session);
}

// M4975-5.4-10 M4975-5.4-12
#[test]
fn a_connection_is_nobodys_until_it_names_a_session_and_then_all_of_the_session_goes_there() {
    let mut board = Board::new(Unattended::Hold);
    let call = board.invite(1);
    board.link(1);
    board.link(2);
    let said = board.record(&call);
    assert!(!said.iter().any(|output| matches!(output, Output::Link(..))), "to whom? {said:?}");
    let Some(Command::Bind(spec)) = board.knock(2, &call.paths[0]) else { panic!("the session is known") };
    let said = board.arrives(2, spec.key, 1);
    let links: Vec<u64> = said
        .iter()
        .filter_map(|output| match output {
            Output::Link(link, _) => Some(link.0),
            _ => None,
        })
        .collect();
    assert_eq!((granted(&said), links), (vec![1], vec![2]));
}

/// Where these outputs connect to.
fn dialled(said: &[Output]) -> Vec<String> {
    let dial = |output: &Output| match output {
        Output::Dial(_, uri, _) => Some(uri.to_string()),
        _ => None,
    };
    said.iter().filter_map(dial).collect()
}

#[test]
fn a_session_for_which_a_connection_had_no_room_gets_another_one() {
    let (mut board, call, session) = connected(Unattended::Hold);
    board.link(2);
    assert!(matches!(board.knock(2, &call.paths[0]), Some(Command::Refuse(_, StatusCode::WRONG_CONNECTION))));
    board.notice(1, Notice::SessionFailed(session, SendFailure::TooManySessions));
    assert!(matches!(board.knock(2, &call.paths[0]), Some(Command::Bind(_))));
}

// M6135-4.2.1-01
#[test]
fn a_lost_session_that_is_offered_again_is_connected_by_whom_our_answer_names() {
    let (mut board, call, _) = connected(Unattended::Hold);
    board.notice(1, Notice::Closed);
    board.instead = vec![("setup:active", "setup:passive")];
    let said = board.reinvite(&call);
    assert!(said.iter().filter_map(sip_text).any(|text| text.contains("a=setup:active")), "we say that we connect");
    assert_eq!(dialled(&said), ["msrp://192.0.2.9:9/phone;tcp"]);
}

// M4975-14.5-01 S12
#[test]
fn a_stranger_cannot_make_us_connect_to_a_victim_by_a_second_offer_either() {
    let mut board = Board::with(Unattended::Hold, |policy| policy.trusted = Vec::new());
    board.instead = vec![("192.0.2.9:9/phone", "192.0.2.66:25/victim")];
    let call = board.invite(1);
    board.instead.push(("setup:active", "setup:passive"));
    assert_eq!(dialled(&board.reinvite(&call)), [""; 0]);
}

// M8122-6.2-03
#[test]
fn a_connection_that_we_made_goes_by_the_fingerprint_that_counts_when_it_stands() {
    let of = |certificate: &[u8]| HashFunction::ALL.map(|hash| Fingerprint::of(certificate, hash)).to_vec();
    let line = |certificate: &[u8]| {
        let sha256 = Fingerprint::of(certificate, HashFunction::Sha256);
        &*format!("a=accept-types:*\r\na=fingerprint:{sha256}").leak()
    };
    for (shown, bound) in [(b"old", false), (b"new", true)] {
        let mut board = Board::with(Unattended::Hold, |policy| {
            policy.doors.first.carrier = Carrier::Tls;
            policy.hashes = vec![HashFunction::Sha256];
        });
        let secure = [("TCP/MSRP", "TCP/TLS/MSRP"), ("msrp:", "msrps:"), ("setup:active", "setup:passive")];
        let saying = |certificate| secure.into_iter().chain([("a=accept-types:*", line(certificate))]).collect();
        board.instead = saying(b"old");
        let call = board.invite(1);

        // while we connect, the peer offers another certificate
        board.instead = saying(b"new");
        board.reinvite(&call);
        let certificate = PeerCertificate { fingerprints: of(shown), hosts: Vec::new(), vouched: Ok(()) };
        let bearer = Bearer { carrier: Carrier::Tls, remote: None, certificate: Some(certificate) };
        board.give(Input::Linked(LinkId(1), bearer));
        let said = board.give(Input::Dialled(SessionKey(1), Ok(LinkId(1))));
        let [Output::Link(_, command)] = &said[..] else { panic!("one command: {said:?}") };
        assert_eq!((matches!(command, Command::Bind(_)), matches!(command, Command::Close)), (bound, !bound));
    }
}

// M4975-14.5-01 S12
#[test]
fn an_answer_to_our_offer_makes_us_connect_once_and_not_again() {
    let mut board = Board::new(Unattended::Hold);
    let said = board.invite_without_offer("msrp://192.0.2.66:25/victim;tcp");
    let dialled = |said: &[Output]| {
        let dial = |output: &Output| match output {
            Output::Dial(session, ..) => Some(*session),
            _ => None,
        };
        said.iter().filter_map(dial).collect::<Vec<_>>()
    };
    let [session] = dialled(&said)[..] else { panic!("one connection: {said:?}") };
    let mut later = board.give(Input::Dialled(session, Err("connection refused".to_owned())));
    for _ in 0..60 {
        later.extend(board.pass(Duration::from_secs(60)));
    }
    assert_eq!(dialled(&later), [], "not for an hour");
}
