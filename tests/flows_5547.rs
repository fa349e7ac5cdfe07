//! The flows of RFC 5547 §9 as texts, with Restante on either side: push, pull with a second file, capabilities.
//!
//! Erin's phone is `phone.example.net`, Restante is `store.example.org`.

#[path = "flows_5547/msrp.rs"]
mod msrp;
#[path = "flows_5547/texts.rs"]
mod texts;

use restante::model::{FileInfo, FileRange};
use restante::sdp::{
    Direction, FileOffer, OfferedStream, Role, Terms, Wish, answer, capabilities, offer, read_answer, read_offer,
    reoffer,
};
use texts::*;

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

// M5547-8.2-02 M5547-8.2.1-01 M5547-8.2.1-03 M5547-8.2.1-04 M5547-8.1-01 M5547-6-19
// M6135-4.2.2-03 M4975-5.4-02 M8866-5-01 M8866-5.2-02 M8866-5.7-01
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

// M5547-8.2.2-01 M5547-8.2.2-04 M5547-8.2.2-05 M5547-8.6-01 M5547-8.7-04 M3264-8.1-01 M6135-4.2.2-09
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

// M5547-6-03 M5547-8.5-01 M5547-8.5-02 M5547-8.5-03 M3264-9-01 M3264-9-02 M3264-9-03
#[test]
fn an_options_request_is_told_of_file_transfer_by_a_bare_selector() {
    let able = capabilities(&store(1), &Terms { max_size: Some(20_000), ..terms("unused") });
    assert_eq!(able.to_string(), text(STORE_IS_ABLE));
    assert_eq!(parsed(&text(STORE_IS_ABLE)), able);
}
