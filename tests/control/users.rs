//! Users: MSML by digest, reckoned here without the server's code (RFC 7616 §3.4.1).

use md5::Md5;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::card::Authority;
use super::support::server::Server;
use super::support::sip::{Call, Message};
use super::{RECORD, call, plain, serve};

const USER: &str = "switch";
const PASSWORD: &str = "open sesame";
/// The name of the node.
const REALM: &str = "store";

fn started(dir: &TempDir) -> Server {
    let file = dir.path().join("users");
    std::fs::write(&file, format!("# who may\n{USER}:{PASSWORD}\n")).expect("a file");
    let file = file.to_str().expect("a plain path");
    let variables = [("RESTANTE_CONTROL__USERS_FILE", file), ("RESTANTE_NODE__NAME", REALM)];
    serve(dir.path(), &Authority::new(), &variables)
}

fn hash<D: Digest>(text: &str) -> String {
    D::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What answers a challenge in an INFO of this call.
struct Answer<'a> {
    algorithm: &'a str,
    nonce: &'a str,
    count: u32,
    password: &'a str,
}

impl Answer<'_> {
    /// The header, for the Request-URI of the call.
    fn header(&self, uri: &str) -> String {
        let Self { algorithm, nonce, count, password } = self;
        let hash = if *algorithm == "MD5" { hash::<Md5> } else { hash::<Sha256> };
        let (user, method) = (hash(&format!("{USER}:{REALM}:{password}")), hash(&format!("INFO:{uri}")));
        let response = hash(&format!("{user}:{nonce}:{count:08x}:c1:auth:{method}"));
        format!(
            "Authorization: Digest username=\"{USER}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"c1\", qop=auth, nc={count:08x}"
        )
    }
}

fn challenges(refusal: &Message) -> Vec<&str> {
    let offered = refusal.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
    offered.map(|(_, value)| value.as_str()).collect()
}

fn nonce(challenge: &str) -> &str {
    challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce")
}

/// The status of MSML with this proof, and whether the nonce is to blame for a refusal.
fn tried(call: &mut Call, answer: &Answer<'_>) -> (u16, bool) {
    call.more = vec![answer.header(&call.target)];
    let told = call.start(RECORD).expect("an answer");
    (told.status(), challenges(&told).iter().any(|challenge| challenge.contains("stale=true")))
}

// M7616-3.3-01 M7616-3.3-02 M7616-3.4-01 M8760-2.4-02 M3261-22.2-01
#[test]
fn msml_from_a_stranger_is_challenged_and_obeyed_when_a_user_of_ours_answers_each_time_anew() {
    let dir = TempDir::new().expect("a directory");
    let server = started(&dir);
    for algorithm in ["SHA-256", "MD5"] {
        let (mut call, _) = call(plain(&server), &server, "s1");
        let refusal = call.start(RECORD).expect("an answer");
        let offered = challenges(&refusal);
        assert_eq!((refusal.status(), offered.len()), (401, 2), "{refusal:?}");
        assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"), "{offered:?}");
        let nonce = nonce(offered[0]).to_owned();
        let with = |count, password| Answer { algorithm, nonce: &nonce, count, password };
        assert_eq!(tried(&mut call, &with(1, "guessed")), (401, false), "{algorithm}");
        assert_eq!(tried(&mut call, &with(1, PASSWORD)), (200, false), "{algorithm}");
        assert_eq!(tried(&mut call, &with(1, PASSWORD)), (401, true), "{algorithm}: heard and said again");
        assert_eq!(tried(&mut call, &with(2, PASSWORD)).0, 200, "{algorithm}");
        let unknown = Answer { algorithm, nonce: "0123456789", count: 1, password: PASSWORD };
        assert_eq!(tried(&mut call, &unknown), (401, true), "{algorithm}: a nonce that was never given");
        // What a proof is for is said in it: it is none for another request, and none at all for the next.
        call.more = vec![with(3, PASSWORD).header("sip:other@store.example.net")];
        assert_eq!(call.start(RECORD).expect("an answer").status(), 400, "{algorithm}");
        assert_eq!(call.start(RECORD).expect("an answer").status(), 401, "{algorithm}");
    }
    assert!(!server.log().contains(PASSWORD));
}
