//! What an operator writes, and what comes of it.

use crate::model::Network;
use std::time::Duration;

use proptest::prelude::*;

use super::value::{Given, Setting};
use super::*;

fn file(text: &str) -> Sources {
    Sources { file: Some(("restante.toml".to_owned(), text.to_owned())), ..Sources::default() }
}

fn faults(sources: &Sources) -> Vec<String> {
    Settings::load(sources).expect_err("a fault").iter().map(ToString::to_string).collect()
}

// M4975-6-04
#[test]
fn nothing_at_all_gives_a_server_on_loopback() {
    let settings = Settings::load(&Sources::default()).expect("the defaults are valid");
    assert_eq!(settings, Settings::default());
    let listen = settings.sip.listen.iter().chain(&settings.msrp.listen);
    assert!(listen.clone().all(|listen| listen.host.is_loopback()));
    assert_eq!(listen.count(), 3);
    assert_eq!(settings.msrp.listen[0].host.port, Some(2855));
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let mut sources = file("[msrp]\nhold = \"1s\"\nchunk = 4096\nmax_size = \"1MiB\"\n");
    sources.variables =
        vec![("RESTANTE_MSRP__HOLD".into(), "2s".into()), ("RESTANTE_MSRP__CHUNK".into(), "8KiB".into())];
    sources.flags = vec![("--hold".into(), "msrp.hold", vec!["3s".into()])];
    let msrp = Settings::load(&sources).expect("valid").msrp;
    assert_eq!((msrp.hold, msrp.chunk, msrp.max_size), (Duration::from_secs(3), 8192, 1 << 20));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_key() {
    let found = faults(&file("[sip]\nlisten = []\nadvertize = \"a\"\n\n[ms]\nx = 1\n[log]\nlevel.x = 1"));
    assert_eq!(
        found,
        [
            "restante.toml:3: unknown key sip.advertize; did you mean sip.advertise?",
            "restante.toml:5: unknown key ms; did you mean msrp?",
            "restante.toml:8: unknown key log.level.x; did you mean log.level?",
            "restante.toml:2: sip.listen: nothing to listen on",
        ]
    );
}

#[test]
fn a_variable_with_an_unknown_key_is_an_error_and_one_without_a_section_is_not_ours() {
    let variables = [("RESTANTE_SIP__LISTN", "x"), ("RESTANTE_BLESS", "1"), ("PATH", "/bin")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let found = faults(&Sources { variables, ..Sources::default() });
    assert_eq!(found, ["RESTANTE_SIP__LISTN: unknown key sip.listn; did you mean sip.listen?"]);
}

#[test]
fn every_wrong_value_is_told_in_one_go() {
    let text = "[sip]\nlisten = [\"tls:h:1\", \"udp:h\"]\n[msrp]\nlisten = \"udp:127.0.0.1:1\"\nhold = 20\nchunk = 0\n\
                [log]\nlevel = \"loud\"\n[spool]\npath = \"s3://b/p\"\n[http]\nlisten = [\"a\"]";
    let found = faults(&file(text));
    let places =
        ["toml:2", "toml:5", "toml:8", "toml:10", "toml:12", "toml:4: msrp.listen: MSRP runs over tcp, tls", "toml:6"];
    assert_eq!(found.len(), places.len(), "{found:#?}");
    for (fault, place) in found.iter().zip(places) {
        assert!(fault.contains(place), "{fault} should be at {place}");
    }
}

// M7977-5.1-02
#[test]
fn websockets_without_tls_are_for_loopback_and_sip_has_none() {
    let near =
        file("[msrp]\nlisten = [\"ws:127.0.0.1:0\", \"wss:192.0.2.1:443\"]\nws.origins = [\"https://a.example.org\"]");
    let settings = Settings::load(&near).expect("valid");
    assert_eq!(settings.msrp.origins, ["https://a.example.org"]);
    let found = faults(&file("[sip]\nlisten = [\"ws:127.0.0.1:0\"]\n[msrp]\nlisten = [\"ws:192.0.2.1:80\"]"));
    assert_eq!(
        found,
        [
            "restante.toml:2: sip.listen: SIP over WebSockets is not there",
            "restante.toml:4: msrp.listen: ws is for this machine alone; others come by wss (RFC 7977 §5.1)",
        ]
    );
}

#[test]
fn a_certificate_is_named_by_a_table_a_dotted_key_or_a_variable() {
    let mut sources = file("[sip.tls]\ncert = \"a.pem\"\nkey = \"a.key\"\n[msrp]\ntls.verify = \"ca\"\n");
    sources.variables = vec![("RESTANTE_MSRP__TLS__CLIENT_CA".into(), "ca.pem".into())];
    let settings = Settings::load(&sources).expect("valid");
    assert_eq!((settings.sip.tls.cert, settings.sip.tls.key), (Some("a.pem".into()), Some("a.key".into())));
    assert_eq!((settings.msrp.tls.client_ca, settings.msrp.verify), (Some("ca.pem".into()), Verify::Ca));
    let found = faults(&file("[sip.tls]\ncert = \"a\"\ncrt = \"b\"\n[msrp.tls]\nhashes = [\"sha-1\"]\n"));
    assert_eq!(
        found,
        [
            "restante.toml:3: unknown key sip.tls.crt; did you mean sip.tls.cert?",
            "restante.toml:2: sip.tls.cert: a certificate and its key come together",
            "restante.toml:5: msrp.tls.hashes: sha-256 has to be among them (RFC 8122 §5): every peer has it",
        ]
    );
}

#[test]
fn sip_over_a_websocket_is_refused_in_clear_words() {
    let found = faults(&file("[sip]\nlisten = \"ws:127.0.0.1:5061\"\n"));
    assert!(found.len() == 1 && found[0].contains("SIP over WebSockets is not there"), "{found:?}");
}

#[test]
fn text_that_is_not_toml_is_one_error_with_its_line() {
    let found = faults(&file("[sip]\nlisten = [\n\"udp:h:1\"\n[log"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("restante.toml:"), "{found:?}");
}

#[test]
fn http_beyond_loopback_needs_a_token() {
    let found = faults(&file("[http]\n\nlisten = \"0.0.0.0:80\""));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("restante.toml:3: http.listen: ") && found[0].contains("token_file"), "{found:?}");
    for fine in ["listen = \"[::1]:80\"", "listen = \"localhost:0\"", "listen = \"0.0.0.0:80\"\ntoken_file = \"t\""] {
        Settings::load(&file(&format!("[http]\n{fine}"))).expect("guarded");
    }
}

#[test]
fn an_exception_for_nobody_or_with_an_unknown_key_is_an_error() {
    let found = faults(&file("[[control.peers]]\ndialogid = \"child\"\nagent = \"x\"\n"));
    assert_eq!(found[0], "restante.toml:3: unknown key control.peers.agent; did you mean control.peers.user_agent?");
    assert!(found[1].starts_with("restante.toml:1: control.peers: needs network or user_agent"), "{found:?}");
    assert_eq!(faults(&file("log = 1")), ["restante.toml:1: log: expected a section, [log]"]);
    assert!(faults(&file("[control]\npeers = 1"))[0].contains("[[control.peers]]"));
}

#[test]
fn a_trunk_needs_its_network_and_says_what_is_different_there() {
    let text = "[[msrp.peers]]\nnetwork = \"192.0.2.0/24\"\ncema = true\nsession_match = \"id\"\n\
                [[msrp.peers]]\nnetwork = \"0.0.0.0/0\"\n";
    let peers = Settings::load(&file(text)).expect("valid").msrp.peers;
    let told = |trunk: &Trunk| (trunk.cema, trunk.session_match);
    assert_eq!((told(&peers[0]), told(&peers[1])), ((true, SessionMatch::Id), (false, SessionMatch::Uri)));
    let found = faults(&file("[[msrp.peers]]\ncema = \"maybe\"\nmatch = \"x\"\n"));
    assert_eq!(found[0], "restante.toml:2: msrp.peers.cema: \"maybe\" is none of \"false\" or \"true\"");
    assert!(found[1].starts_with("restante.toml:3: unknown key msrp.peers.match"), "{found:?}");
    assert!(found[2].starts_with("restante.toml:1: msrp.peers: needs network"), "{found:?}");
    assert!(faults(&file("[msrp]\npeers = [1]"))[0].contains("[[msrp.peers]]"));
}

#[test]
fn what_is_printed_reads_back_as_the_same_settings() {
    let text = "[node]\nname = \"a \\\"b\\\" \\\\\"\n[msrp]\nadvertise = \"[2001:db8::1]:2855\"\n[spool]\nreserve = 5\nkeys = [\"new:/etc/key\", \"old:$KEY\"]\n\
                [[control.peers]]\nuser_agent = \"AS\"\nexit = \"empty\"\n[[msrp.peers]]\nnetwork = \"192.0.2.1/32\"\ncema = true\n\
                [[boxes]]\nmatch = \"fax-*\"\n[[boxes]]\nmatch = \"*\"\nencrypt = true\n";
    for sources in [Sources::default(), file(text)] {
        let settings = Settings::load(&sources).expect("valid");
        assert_eq!(Settings::load(&file(&settings.to_toml())), Ok(settings));
    }
}

#[test]
fn addresses_that_nobody_can_bind_are_refused() {
    for bad in [
        "",
        "udp",
        "udp:",
        "udp::5060",
        "udp:h",
        "udp:h:x",
        "udp:h:65536",
        "udp:::1:5060",
        "udp:[::1:5060",
        "udp:a b:1",
        "sctp:h:1",
    ] {
        assert!(bad.parse::<Listen>().is_err(), "{bad}");
    }
    for bad in ["", "192.0.2.1/33", "::/129", "192.0.2.1/x", "localhost", "192.0.2.1/"] {
        assert!(bad.parse::<Network>().is_err(), "{bad}");
    }
    let listen: Listen = "tcp:[::1]:0".parse().expect("an address");
    assert_eq!((listen.to_string(), listen.authority()), ("tcp:[::1]:0".to_owned(), "[::1]:0".to_owned()));
}

proptest! {
    #[test]
    fn durations_and_sizes_read_back_as_written(millis in any::<u32>(), octets in any::<u64>()) {
        let duration = Duration::from_millis(millis.into());
        let (mut duration_again, mut octets_again) = (Duration::ZERO, 0u64);
        duration_again.set(&duration.shown().expect("set")).expect("what was written");
        octets_again.set(&octets.shown().expect("set")).expect("what was written");
        prop_assert_eq!((duration_again, octets_again), (duration, octets));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,40}") {
        let given = Given::One(text.clone());
        let (mut duration, mut octets) = (Duration::ZERO, 0u64);
        let _ = (duration.set(&given), octets.set(&given), text.parse::<Listen>(), text.parse::<Network>());
        let _ = Settings::load(&file(&text));
    }
}

// M4976-8-05 M4976-8-02
#[test]
fn a_relay_is_named_by_a_protected_uri_with_a_port_and_wants_an_account() {
    let relay = |text: &str| format!("[msrp]\nrelay = [\"{text}\"]\nrelay_user = \"u\"\nrelay_password_file = \"p\"\n");
    let settings = Settings::load(&file(&relay("msrps://me@relay.example.org:9000;tcp"))).expect("valid");
    assert_eq!(settings.msrp.relay[0].to_string(), "msrps://me@relay.example.org:9000;tcp");
    for (text, part) in [
        ("msrp://relay.example.org:2855;tcp", "a relay is reached over TLS alone"),
        ("msrps://relay.example.org;tcp", "has no port"),
        ("msrps://192.0.2.1;tcp", "has no port"),
        ("msrps://relay.example.org:2855", "is not the URI of a relay"),
        ("relay.example.org:2855", "is not the URI of a relay"),
        ("msrps://a b@relay.example.org:2855;tcp", "is not the URI of a relay"),
    ] {
        let found = faults(&file(&relay(text)));
        assert!(found[0].starts_with("restante.toml:2: msrp.relay: ") && found[0].contains(part), "{found:?}");
    }
    let found = faults(&file("[msrp]\nrelay = [\"msrps://relay.example.org:2855;tcp\"]\nrelay_expires = \"1ms\"\n"));
    assert!(found[0].contains("needs msrp.relay_user and msrp.relay_password_file"), "{found:?}");
    assert!(found[1].contains("whole seconds"), "{found:?}");
}

#[test]
fn a_key_is_named_by_its_place_and_never_written_down_itself() {
    let secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    for bad in [secret, ":/etc/key", "a b:/etc/key", "one:", "one:$"] {
        let found = faults(&file(&format!("[spool]\nkeys = [\"{bad}\"]\n")));
        assert!(found[0].contains("expected NAME:FILE or NAME:$VARIABLE") && !found[0].contains(secret), "{found:?}");
    }
    let found = faults(&file("[[boxes]]\nmatch = \"a/b\"\nencrypt = true\n"));
    assert_eq!(found[0], "restante.toml:2: boxes.match: \"a/b\" is not the name of a box, with * for any letters");
    assert!(faults(&file("boxes = 1"))[0].contains("[[boxes]]"));
}

#[test]
fn a_rule_that_forwards_where_nobody_may_or_back_here_is_a_fault_of_its_line() {
    let rule = |to: &str| format!("[[queue.route]]\nmatch = \"*\"\nto = \"{to}\"\n");
    let allowed = "[policy]\nforward = [\"example.org\", \"127.0.0.1\"]\n";
    let found = faults(&file(&(rule("sip:{box}@example.org") + &rule("sip:bob@example.net"))));
    assert_eq!(found[0], "restante.toml:3: queue.route.to: policy.forward does not allow example.org");
    assert_eq!(found[1], "restante.toml:6: queue.route.to: policy.forward does not allow example.net");
    let here = rule("sip:bob@127.0.0.1") + allowed;
    assert!(faults(&file(&here))[0].starts_with("restante.toml:3: queue.route.to: 127.0.0.1 is this server"));
    let elsewhere = rule("sip:{box}@example.org") + &rule("sip:bob@127.0.0.1:5070") + allowed;
    let settings = Settings::load(&file(&elsewhere)).expect("two rules");
    assert_eq!(settings.routes[0].rule().to.of("b b"), "sip:b%20b@example.org");
    let found = faults(&file("[[queue.route]]\nmatch = \"*\"\n[[queue.route]]\nto = \"bob\"\nmatch = \"*\"\n"));
    assert!(found[0].starts_with("restante.toml:1: queue.route: needs match and to"), "{found:?}");
    assert!(found[1].starts_with("restante.toml:4: queue.route.to: \"bob\": expected a SIP URI"), "{found:?}");
}
