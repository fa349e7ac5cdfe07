//! Messages of the kinds of RFC 4475 and RFC 5118, with hosts and names of our own, and a verdict for each kind.

use proptest::prelude::*;

use super::hand::{Hand, field, fresh, kinds};
use crate::sip::multipart::parts;
use crate::sip::{Body, Config, Event, Fault, SipError, SipMessage, parse};

/// The request the others are made from.
fn base() -> String {
    fresh("INVITE", 1, &["Content-Type: application/sdp"], "v=0\r\n")
}

/// What an endpoint answers to one datagram, and whether it told its owner.
fn verdict(text: &str) -> (Vec<String>, bool) {
    let mut hand = Hand::new(Config::default());
    let sent = hand.udp(text);
    (kinds(&sent).into_iter().map(str::to_owned).collect(), !hand.events.is_empty())
}

/// Accepted as a call or a question.
fn assert_served(kind: &str, text: &str) {
    assert_eq!(verdict(text), (Vec::new(), true), "{kind}: {text}");
}

fn assert_refused(kind: &str, status: &str, text: &str) {
    assert_eq!(verdict(text), (vec![status.to_owned()], false), "{kind}: {text}");
}

fn swap(from: &str, to: &str) -> String {
    let text = base();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

// M3261-8.2.2-01 M3261-8.2.2-02 M3261-18.3-01
#[test]
fn odd_but_legal_requests_are_served() {
    let folded = "INVITE sip:box@192.0.2.2;unknown SIP/2.0\r\nTO :\r\n sip:box@example.net ;  x  = y\r\n\
        from   : \"J \\\\\\\"\"       <sip:j@example.com>\r\n  ;\r\n  tag = 98\r\nMaX-fOrWaRdS: 0068\r\n\
        Call-ID: odd.spaces@192.0.2.9\r\ncseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.9;branch=390skd\r\n\
        s :\r\nNewFangledHeader:   newfangled value\r\n continued\r\nUnknownWithUnusualValue: ;;,,;;,;\r\n\
        v:  SIP  / 2.0  / TCP     one.example.com   ;\r\n  branch  =   z9hG4bK9 , SIP/2.0/TCP two.example.com;branch=x\r\n\
        m:\"Q \\\"\\\"\" <sip:j@192.0.2.9>  ; n=p ;q=0.33\r\nl: 0\r\n\r\n";
    assert_served("M4475-3.1.1.1-01 wsinv", folded);
    let escapes = "INVITE sip:sips%3Auser%40example.com@192.0.2.2 SIP/2.0";
    assert_served("M4475-3.1.1.3-01 esc01", &swap("INVITE sip:box@192.0.2.2 SIP/2.0", escapes));
    assert_served("M4475-3.1.1.4-01 escnull", &swap("sip:box@192.0.2.2", "sip:null-%00-null@192.0.2.2"));
    assert_served("M4475-3.1.1.6-01 lwsdisp", &swap("\"Carol\" <sip", "carol<sip"));
    let long = "x".repeat(4000);
    assert_served("M4475-3.1.1.7-01 longreq", &swap("Call-ID: by", &format!("X-{long}: {long}\r\nCall-ID: {long}")));
    assert_served("M4475-3.1.1.8-01 dblreq", &format!("{}INVITE sip:second@192.0.2.2 SIP/2.0\r\n\r\n", base()));
    assert_served("M4475-3.1.1.9-01 semiuri", &swap("sip:box@192.0.2.2 ", "sip:user;par=u%40example.net@192.0.2.2 "));
    assert_served("M4475-3.1.1.10-01 transports", &swap("SIP/2.0/UDP", "SIP/2.0/QUICK"));
    let parts = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\0\r\n--b--\r\n";
    assert_served(
        "M4475-3.1.1.11-01 mpart01",
        &fresh("INVITE", 1, &["Content-Type: multipart/mixed;boundary=b"], parts),
    );
    assert_served("M4475-3.1.2.12-01 baddate", &swap("Call-ID", "Date: Fri, 01 Jan 2027 16:00:00 EST\r\nCall-ID"));
    assert_served("M4475-3.3.4-01 unksm2", &swap("<sip:carol@example.com>", "<tel:+15550100;x=y>"));
    let auth = "Authorization: NoOneKnowsThis opaque=\"data here\"\r\nCall-ID";
    assert_served("M4475-3.3.7-01 regaut01", &swap("Call-ID", auth));
    assert_served("M3261-7.1-02", &swap(" SIP/2.0\r\n", " sip/2.0\r\n"));
    assert_served("M3261-7.5-01", &format!("\r\n\r\n{}", base()));
    let compact = base().replace("Via:", "v:").replace("To:", "t:").replace("From:", "f:").replace("Call-ID:", "i:");
    let compact = compact.replace("Contact:", "m:").replace("Content-Length:", "l:").replace("Content-Type:", "c:");
    assert_served("M3261-7.3.3-01", &compact);
    assert_served("M4475-3.1.2.15-01 baddn", &swap("From: \"Carol\" <sip", "From: Bell, Alexander <sip"));
    assert_served("M3261-18.1.1-02", &fresh("INVITE", 1, &["Content-Type: application/sdp"], &"x".repeat(60_000)));
    // RFC 4240 services: rsip refuses their values.
    assert_served("RFC 4240", &swap("sip:box@192.0.2.2 ", "sip:annc@192.0.2.2;play=file://media/a%20b.wav;delay=0 "));
}

#[test]
fn numeric_ipv6_hosts_are_served_and_broken_ones_refused() {
    let to = |uri: &str| swap("INVITE sip:box@192.0.2.2", &format!("INVITE {uri}"));
    assert_served("M5118-4.1-01 ipv6-good", &to("sip:[2001:db8::10]"));
    assert_refused("M5118-4.2-01 ipv6-bad", "400", &to("sip:2001:db8::10"));
    assert_served("M5118-4.3-01 port-ambiguous", &to("sip:[2001:db8::10:5070]"));
    assert_served("M5118-4.4-01 port-unambiguous", &to("sip:[2001:db8::10]:5070"));
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("[2001:db8::9:1];received={received};");
        assert_served("M5118-4.5-01 via-received-param", &swap("192.0.2.9:5070;", &via));
    }
    let six =
        "v=0\r\no=- 1 1 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n";
    let described = |sdp: &str| fresh("INVITE", 1, &["Content-Type: application/sdp"], sdp);
    assert_served("M5118-4.6-01 ipv6-in-sdp", &described(six));
    let both = "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bK2\r\nVia: SIP/2.0/TCP 192.0.2.16:6070;branch=z9hG4bK3\r\nFrom:";
    assert_served("M5118-4.7-01 mult-ip-in-header", &swap("From:", both));
    let mixed = format!("{six}c=IN IP4 192.0.2.1\r\nm=message 9 TCP/MSRP *\r\nc=IN IP6 2001:db8::21\r\n");
    assert_served("M5118-4.8-01 mult-ip-in-sdp", &described(&mixed));
    assert_served("M5118-4.9-01 ipv4-mapped-ipv6", &to("sip:box@[::ffff:192.0.2.10]"));
    assert_refused("M5118-4.10-01 ipv6-bug-abnf-3-colons", "400", &to("sip:box@[2001:db8:::192.0.2.1]"));
    assert_served("a Contact", &swap("sip:carol@192.0.2.9", "sip:carol@[2001:db8::9]"));
}

// M3261-18.3-01
#[test]
fn broken_requests_get_400_with_a_reason_that_names_the_fault() {
    let table = [
        ("M4475-3.1.2.1-01 badinv01", swap("5070;branch", "5070;;,;,,branch"), "Malformed Via Header"),
        (
            "M4475-3.1.2.1-01 badinv01",
            swap("<sip:carol@192.0.2.9:5070>", "<sip:carol@192.0.2.9:5070>;;;;"),
            "Malformed Contact Header",
        ),
        (
            "M4475-3.1.2.2-01 clerr",
            swap("Content-Length: 5", "Content-Length: 9999"),
            "Body Shorter Than Content-Length",
        ),
        ("M4475-3.1.2.3-01 ncl", swap("Content-Length: 5", "Content-Length: -999"), "Malformed Content-Length Header"),
        ("M4475-3.1.2.4-01 scalar02", swap("CSeq: 1 ", "CSeq: 36893488147419103232 "), "Malformed CSeq Header"),
        ("M4475-3.1.2.4-01 scalar02", swap("Max-Forwards: 70", "Max-Forwards: 300"), "Malformed Max-Forwards Header"),
        ("M4475-3.1.2.6-01 quotbal", swap("To: <sip", "To: \"Box <sip"), "Malformed To Header"),
        (
            "M4475-3.1.2.7-01 ltgtruri",
            swap("INVITE sip:box@192.0.2.2", "INVITE <sip:box@192.0.2.2>"),
            "Malformed Request-URI",
        ),
        (
            "M4475-3.1.2.8-01 lwsruri",
            swap("INVITE sip:box@192.0.2.2", "INVITE sip:box@192.0.2.2; lr"),
            "Malformed Request-Line",
        ),
        ("M4475-3.1.2.9-01 lwsstart", swap("INVITE sip:", "INVITE  sip:"), "Malformed Request-Line"),
        ("M4475-3.1.2.10-01 trws", swap("SIP/2.0\r\nVia", "SIP/2.0  \r\nVia"), "Malformed Request-Line"),
        (
            "M4475-3.1.2.11-01 escruri",
            swap("box@192.0.2.2 ", "box@192.0.2.2?Route=%3Csip:x.example.com%3E "),
            "Malformed Request-URI",
        ),
        (
            "M4475-3.1.2.13-01 regbadct",
            swap("<sip:carol@192.0.2.9:5070>", "sip:carol@192.0.2.9?Route=%3Cx%3E"),
            "Malformed Contact Header",
        ),
        ("M4475-3.1.2.14-01 badaspec", swap("<sip:box@example.net>", "< sip:box@example.net>"), "Malformed To Header"),
        (
            "M4475-3.1.2.17-01 mismatch01",
            swap("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"),
            "CSeq Method Does Not Match Request-Line",
        ),
        ("M4475-3.3.1-01 insuf", swap("Call-ID: by-hand@example.com\r\n", ""), "Missing Call-ID Header"),
        ("M4475-3.3.8-01 multi01", swap("Call-ID", "Call-ID: another\r\nCall-ID"), "Repeated Call-ID Header"),
        (
            "M4475-3.3.9-01 mcl01",
            swap("Content-Length: 5", "Content-Length: 3\r\nContent-Length: 5"),
            "Repeated Content-Length Header",
        ),
        ("M3261-7.4.1-01", swap("Content-Type: application/sdp\r\n", ""), "Missing Content-Type Header"),
        ("a line without colon", swap("Call-ID", "nonsense\r\nCall-ID"), "Malformed Header Line"),
    ];
    for (kind, text, reason) in table {
        let mut hand = Hand::new(Config::default());
        let sent = hand.udp(&text);
        let line = sent.first().and_then(|text| text.split("\r\n").next());
        assert_eq!(line, Some(format!("SIP/2.0 400 {reason}").as_str()), "{kind}");
        assert!(hand.events.is_empty(), "{kind}");
        assert_eq!(hand.endpoint.transactions(), 0, "{kind}: nothing is kept of it");
        // An ACK with the same fault gets no answer.
        assert!(hand.udp(&text.replace("INVITE", "ACK")).is_empty(), "{kind}");
    }
}

#[test]
fn foreign_methods_versions_schemes_and_sizes_have_statuses_of_their_own() {
    assert_refused(
        "M4475-3.1.1.2-01 intmeth",
        "501",
        &base().replace("INVITE", "!interesting-Method0123456789_*+`.%.'~"),
    );
    assert_refused("M4475-3.1.1.5-01 esc02", "501", &base().replace("INVITE", "INV%49TE"));
    assert_refused("a method is compared with case", "501", &base().replace("INVITE", "Invite"));
    assert_refused("M4475-3.1.2.16-01 badvers", "505", &swap("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"));
    assert_refused("M4475-3.1.2.18-01 mismatch02", "501", &swap("INVITE sip", "NEWMETHOD sip"));
    assert_refused("M4475-3.3.2-01 unkscm", "416", &swap("INVITE sip:box", "INVITE nobodyKnowsThisScheme:box"));
    assert_refused(
        "M4475-3.3.3-01 novelsc",
        "416",
        &swap("INVITE sip:box@192.0.2.2", "INVITE soap.beep://192.0.2.103:3002"),
    );
    assert_refused("M4475-3.3.5-01 bext01", "420", &swap("Call-ID", "Require: nothingSupportsThis\r\nCall-ID"));
    for (kind, method) in [("M4475-3.3.12-01", "REGISTER"), ("M4475-3.3.13-01", "NOTIFY"), ("M4475-3.3.14-01", "REFER")]
    {
        assert_refused(kind, "405", &fresh(method, 1, &[], ""));
    }
    let many = "X: y\r\n".repeat(300);
    assert_refused("too many headers", "513", &swap("Call-ID", &format!("{many}Call-ID")));
}

#[test]
fn a_branch_of_the_cookie_alone_is_matched_as_by_rfc_2543() {
    // M4475-3.2.1-01
    let text = base().replace("z9hG4bKINVITE1", "z9hG4bK");
    let mut hand = Hand::new(Config::default());
    hand.udp(&text);
    hand.udp(&text);
    let other = text.replace("by-hand", "another-call");
    hand.udp(&other);
    assert_eq!(hand.events.len(), 2, "a copy is absorbed, another call is not");
}

fn response(line: &str, extra: &str) -> String {
    format!(
        "{line}\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n{extra}From: <sip:us@example.net>;tag=1\r\n\
         To: <sip:box@example.com>;tag=2\r\nCall-ID: r@example.net\r\nCSeq: 8 INFO\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn responses_with_odd_reasons_are_read_and_broken_ones_dropped() {
    let reason = |line: &str| match parse(response(line, "").as_bytes()) {
        Ok(SipMessage::Response(response)) => Some(response.status_code.to_string()),
        _ => None,
    };
    // M4475-3.1.1.12-01, M4475-3.1.1.13-01
    assert_eq!(reason("SIP/2.0 200 = 2**3 * 5**2 но"), Some("200 = 2**3 * 5**2 но".to_owned()));
    assert_eq!(reason("SIP/2.0 100 "), Some("100 ".to_owned()));
    assert_eq!(reason("SIP/2.0 100"), Some("100 ".to_owned()));
    let fault = |text: &str| parse(text.as_bytes()).expect_err(text);
    // M4475-3.1.2.19-01
    assert_eq!(fault(&response("SIP/2.0 4294967301 better", "")), Fault { error: SipError::StatusLine, headers: None });
    // M4475-3.3.10-01, M3261-8.1.3.3-01
    let two = response("SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKy\r\n");
    assert_eq!(fault(&two).error, SipError::ForeignVia);
    // M4475-3.1.2.5-01
    let large = response("SIP/2.0 503 x", "").replace("CSeq: 8", "CSeq: 9292394834772304023312");
    assert_eq!(fault(&large), Fault { error: SipError::HeaderMalformed { name: "CSeq" }, headers: None });
}

#[test]
fn octets_that_are_no_sip_get_no_answer() {
    for text in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "hello", "\u{0}\u{1}\r\n\r\n", "SIP/2.0", "INVITE"] {
        assert_eq!(verdict(text), (Vec::new(), false), "{text:?}");
    }
}

#[test]
fn a_forged_received_and_rport_do_not_move_the_response() {
    let mut hand = Hand::new(Config::default());
    let sent = hand.udp(&fresh("BYE", 1, &[], "").replace(";rport", ";received=203.0.113.7;rport=9"));
    assert_eq!(hand.to.map(|to| to.to_string()).as_deref(), Some("192.0.2.9:4444"));
    let via = field(&sent[0], "Via").expect("a Via");
    assert!(!via.contains("203.0.113.7"), "{via}");
}

proptest! {
    #[test]
    fn no_octets_make_the_endpoint_panic_or_grow(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..12),
        kind in 0usize..4,
    ) {
        let base = match kind {
            0 => base(),
            1 => response("SIP/2.0 200 OK", ""),
            2 => fresh("INFO", 3, &["Route: <sip:a@b;lr>, \"x\" <sip:[::1]>", "Expires: 5"], ""),
            _ => fresh("CANCEL", 1, &["Content-Type: multipart/mixed;boundary=\"b\""], "--b\r\n\r\n--b--"),
        };
        let mut octets = base.into_bytes();
        for (index, octet, edit) in edits {
            let at = index.index(octets.len());
            match edit {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                2 => { octets.remove(at); }
                _ => { octets.insert(at, b";,:<>\"%\r\n= "[octet as usize % 11]); }
            }
            prop_assume!(!octets.is_empty());
        }
        let mut hand = Hand::new(Config::default());
        for flow in [super::hand::udp(), super::hand::tcp()] {
            let octets = bytes::Bytes::copy_from_slice(&octets);
            hand.input(crate::sip::Input::Octets { flow, octets });
        }
        if let Some(Event::Invited { call, .. }) = hand.events.pop() {
            hand.command(crate::sip::Command::Accept { call, body: None });
        }
        hand.pass(std::time::Duration::from_secs(400));
        prop_assert_eq!((hand.endpoint.calls(), hand.endpoint.transactions()), (0, 0));
    }

    #[test]
    fn no_multipart_makes_its_reader_panic(octets in "(--b|--|\r\n|Content-Type: multipart/x;boundary=b|a|:|\\PC){0,40}") {
        for part in parts(&Body::new("multipart/mixed; boundary=b", octets.clone())) {
            prop_assert!(part.octets.len() <= octets.len());
        }
    }

    #[test]
    fn what_is_serialised_is_parsed_the_same(user in "[a-z0-9._!~*'()&=+$,;?/-]{1,20}", body in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = fresh("INVITE", 1, &[], "").replace("sip:box@192.0.2.2 ", &format!("sip:{user}@[2001:db8::1] "));
        let Ok(SipMessage::Request(mut request)) = parse(text.as_bytes()) else { return Err(TestCaseError::fail(text)) };
        request.headers.push(rsip::Header::ContentType("application/octet-stream".into()));
        request.headers.retain(|header| !matches!(header, rsip::Header::ContentLength(_)));
        request.body = body;
        let octets = crate::sip::serialise::request(&request);
        let Ok(SipMessage::Request(mut again)) = parse(&octets) else { return Err(TestCaseError::fail("refused")) };
        again.headers.retain(|header| !matches!(header, rsip::Header::ContentLength(_)));
        prop_assert_eq!(again, request);
    }
}
