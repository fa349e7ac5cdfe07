//! The objects' door over HTTP, against the real process: what a 201 is worth, and how the door says no.

#[path = "http/openapi.rs"]
mod openapi;
mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use support::deposit::{Depositor, Plan, Promise};
use support::http::{Visit, ask, get, items, post};
use support::server::{House, Server, serve};
use support::{Chance, eventually, seed};

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("{field} of {object}"))
}

/// A server with some more lines in its configuration.
fn house_with(dir: &Path, lines: &str) -> Server {
    let command = serve(dir, &[]);
    let mut file = fs::OpenOptions::new().append(true).open(dir.join("restante.toml")).expect("a configuration");
    file.write_all(lines.as_bytes()).expect("more of it");
    Server::launch(dir, command)
}

#[test]
fn a_file_that_was_brought_by_http_is_listed_and_comes_back_octet_for_octet() {
    let house = House::new(&[]);
    let door = house.server.door();
    let content = Chance::new(seed()).octets(3_000_017);
    let posted = post(door, "box=b%C3%BCro&name=a%20b.mp4", &["Content-Type: video/mp4"], &content);
    assert_eq!(posted.status, 201, "{posted:?}");
    let object = posted.json();
    assert_eq!(text(&object, "uri"), "spool:/b%C3%BCro/a%20b.mp4");
    assert_eq!((text(&object, "box"), text(&object, "name"), text(&object, "state")), ("büro", "a b.mp4", "stored"));
    assert_eq!((object["size"].as_u64(), text(&object, "sha256")), (Some(3_000_017), sha256(&content).as_str()));
    assert_eq!(text(&object, "media_type"), "video/mp4");
    let location = posted.header("location").expect("a place");
    assert_eq!(get(door, location).json(), object);
    assert_eq!(items(door, "/api/v1/objects?box=b%C3%BCro&state=stored"), std::slice::from_ref(&object));
    assert_eq!(items(door, "/api/v1/objects?box=nobody"), Vec::<Value>::new());
    let back = get(door, &format!("{location}/content"));
    assert_eq!((back.status, back.body == content), (200, true));
    assert_eq!(back.header("content-type"), Some("video/mp4"));
    assert_eq!(back.header("etag"), Some(format!("\"{}\"", sha256(&content)).as_str()));
    assert_eq!(back.header("content-disposition"), Some("attachment; filename*=UTF-8''a%20b%2Emp4"));
    assert_eq!(back.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn pages_follow_each_other_without_a_gap_and_the_last_one_says_so() {
    let house = House::new(&[]);
    let door = house.server.door();
    let ids: Vec<String> =
        (0..5).map(|n| text(&post(door, "box=bob", &[], &[n; 10]).json(), "id").to_owned()).collect();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let page = get(door, &format!("/api/v1/objects?limit=2{cursor}")).json();
        let items = page["items"].as_array().expect("items");
        assert_eq!(items.len(), expected);
        seen.extend(items.iter().map(|object| text(object, "id").to_owned()));
        cursor = page["next_cursor"].as_str().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
    }
    assert_eq!((seen, cursor.as_str()), (ids, ""));
}

#[test]
fn what_got_its_201_outlives_a_kill_and_what_did_not_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let content = Chance::new(seed()).octets(200_000);
    let mut cut = Visit::begin(server.door(), "POST /api/v1/objects?box=bob&name=cut", &["Content-Length: 200000"]);
    cut.write(&content[..150_000]).expect("most of it");
    eventually("octets of the one that is cut", || {
        items(server.door(), "/api/v1/transfers").iter().any(|moving| moving["octets"] == 150_000).then_some(())
    });
    let posted = post(server.door(), "box=bob&name=whole", &[], &content);
    assert_eq!(posted.status, 201);
    server.kill();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(items(server.door(), "/api/v1/objects"), [posted.json()]);
    let back = get(server.door(), &format!("/api/v1/objects/{}/content", text(&posted.json(), "id")));
    assert!(back.body == content);
    assert_eq!(stages(dir.path()), 0, "nothing waits for a sender that can't come back");
}

fn stages(dir: &Path) -> usize {
    fs::read_dir(dir.join("spool/stage")).expect("a stage").count()
}

#[test]
fn an_upload_that_its_client_cuts_is_reported_nowhere_and_leaves_no_octet() {
    let house = House::new(&[]);
    let door = house.server.door();
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut cut = Visit::begin(door, "POST /api/v1/objects?box=bob&name=cut", &[framing]);
        match framing {
            "Transfer-Encoding: chunked" => cut.chunk(&[7; 60_000]).expect("some of it"),
            _ => cut.write(&[7; 60_000]).expect("some of it"),
        }
        let moving = || items(door, "/api/v1/transfers").pop();
        let seen = eventually("its octets", || moving().filter(|moving| moving["octets"] == 60_000));
        assert_eq!((text(&seen, "direction"), text(&seen, "by"), text(&seen, "uri")), ("in", "http", "spool:/bob/cut"));
        assert!(stages(house.dir.path()) > 0);
        drop(cut);
        eventually("its end", || moving().is_none().then_some(()));
        eventually("an empty stage", || (stages(house.dir.path()) == 0).then_some(()));
    }
    assert_eq!(items(door, "/api/v1/objects"), Vec::<Value>::new());
    assert_eq!(post(door, "box=bob&name=cut", &[], b"again").status, 201, "the name is free");
}

#[test]
fn a_name_is_given_once_and_the_second_file_of_that_name_is_refused() {
    let house = House::new(&[]);
    let door = house.server.door();
    assert_eq!(post(door, "box=bob&name=one", &[], b"first").status, 201);
    assert_eq!(post(door, "box=bob&name=one", &[], b"second").error(), (409, "exists".to_owned()));
    let objects = items(door, "/api/v1/objects");
    assert_eq!((objects.len(), text(&objects[0], "sha256")), (1, sha256(b"first").as_str()));
}

#[test]
fn what_is_held_neither_leaves_nor_ends_and_what_is_deleted_can_be_seen_for_as_long_as_its_box_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = house_with(dir.path(), "[[boxes]]\nmatch = \"bob\"\nundelete = \"1h\"\n");
    let door = server.door();
    let place = post(door, "box=bob&name=one", &[], b"first").header("location").expect("a place").to_owned();
    let act = |request: &str| ask(door, request, &["Content-Length: 0"]);
    let state = || text(&get(door, &place).json(), "state").to_owned();
    let held = act(&format!("POST {place}/hold?by=carol"));
    assert_eq!((held.status, text(&held.json(), "state")), (200, "held"));
    assert_eq!(get(door, &format!("{place}/content")).error(), (409, "held".to_owned()));
    assert_eq!(act(&format!("DELETE {place}")).error(), (409, "held".to_owned()));
    assert_eq!((state(), items(door, "/api/v1/objects?state=held").len()), ("held".to_owned(), 1));
    assert_eq!(act(&format!("POST {place}/release")).status, 200);
    assert_eq!(act(&format!("POST {place}/hold?legal=true")).status, 200);
    assert_eq!(get(door, &format!("{place}/content")).body, b"first", "a legal hold keeps nobody from it");
    assert_eq!(act(&format!("DELETE {place}")).error(), (409, "held".to_owned()));
    assert_eq!(act(&format!("POST {place}/release?legal=true")).status, 200);
    assert_eq!(act(&format!("DELETE {place}?by=bob")).status, 204);
    assert_eq!((state(), items(door, "/api/v1/objects").len()), ("deleted".to_owned(), 0));
    assert_eq!(items(door, "/api/v1/objects?state=deleted").len(), 1);
    assert_eq!(get(door, &format!("{place}/content")).error(), (404, "not_found".to_owned()));
    assert_eq!(post(door, "box=bob&name=one", &[], b"second").status, 201, "its name is free");
    assert_eq!(act("DELETE /api/v1/objects/nothing").error(), (404, "not_found".to_owned()));
}

#[test]
fn objects_are_marked_copied_expired_and_brought_back_and_a_dry_run_says_what_a_sweep_takes() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = house_with(
        dir.path(),
        "[[boxes]]\nmatch = \"bob\"\nundelete = \"1h\"\n\
         [[boxes]]\nmatch = \"old\"\nkeep = \"1s\"\nnotice = \"1h\"\n\
         [[boxes]]\nmatch = \"full\"\nquota_objects = 1\n",
    );
    let door = server.door();
    let act = |request: &str| ask(door, &format!("POST {request}"), &["Content-Length: 0"]);
    let place = post(door, "box=bob&name=one", &[], b"first").header("location").expect("a place").to_owned();
    let listed = |state: &str| items(door, &format!("/api/v1/objects?box=bob&state={state}")).len();
    assert_eq!(act(&format!("{place}/mark?as=seen&by=bob")).status, 200);
    assert_eq!(act(&format!("{place}/mark?as=lost")).error(), (400, "bad_request".to_owned()));
    let long = "b".repeat(257);
    for wish in ["mark?as=seen", "hold?", "copy?to=spool:/full/two"] {
        assert_eq!(act(&format!("{place}/{wish}&by={long}")).error(), (400, "bad_request".to_owned()), "{wish}");
    }
    let copied = act(&format!("{place}/copy?to=spool:/full/two"));
    assert_eq!((copied.status, text(&copied.json(), "uri")), (201, "spool:/full/two"));
    let copy = copied.header("location").expect("a place");
    assert_eq!(get(door, &format!("{copy}/content")).body, b"first");
    assert_eq!(act(&format!("{place}/copy?to=spool:/full/two")).error(), (409, "exists".to_owned()));
    assert_eq!(act(&format!("{place}/copy?to=spool:/full/")).error(), (507, "quota".to_owned()));
    assert_eq!(act(&format!("{place}/copy?to=nowhere")).error(), (400, "bad_request".to_owned()));
    assert_eq!(ask(door, &format!("DELETE {place}"), &[]).status, 204);
    assert_eq!((act(&format!("{place}/undelete")).status, listed("stored"), listed("deleted")), (200, 1, 0));
    assert_eq!(ask(door, &format!("DELETE {place}"), &[]).status, 204);
    assert_eq!(post(door, "box=bob&name=one", &[], b"second").status, 201);
    assert_eq!(act(&format!("{place}/undelete")).error(), (409, "exists".to_owned()));
    assert_eq!(ask(door, &format!("DELETE {place}?now=true"), &[]).status, 204);
    assert_eq!((get(door, &place).status, listed("deleted")), (404, 0), "it can't be taken back");

    let old = post(door, "box=old&name=one", &[], b"first").header("location").expect("a place").to_owned();
    let due = || items(door, "/api/v1/due");
    let found = eventually("what is due", || due().pop());
    assert_eq!((text(&found, "what"), text(&found, "why"), text(&found, "uri")), ("expires", "keep", "spool:/old/one"));
    assert_eq!(text(&get(door, &old).json(), "state"), "stored", "a dry run changes nothing");
    let swept = act("/api/v1/due");
    assert_eq!((swept.status, swept.json()), (200, serde_json::json!({ "expired": 1, "ended": 0 })));
    assert_eq!((text(&get(door, &old).json(), "state"), due().len()), ("expired", 0));
    assert_eq!(act(&format!("{copy}/expire")).status, 200);
    assert_eq!(text(&get(door, copy).json(), "state"), "expired", "its octets go with a sweep");
    assert_eq!(act("/api/v1/due").json(), serde_json::json!({ "expired": 0, "ended": 1 }));
    assert_eq!(get(door, copy).status, 404);
}

#[test]
fn a_full_box_and_a_full_disk_say_so_and_take_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = house_with(dir.path(), "[[boxes]]\nmatch = \"bob\"\nquota_octets = \"1000\"\nquota_objects = 2\n");
    let door = server.door();
    assert_eq!(post(door, "box=bob", &[], &[1; 600]).status, 201);
    assert_eq!(post(door, "box=bob", &[], &[1; 600]).error(), (507, "quota".to_owned()));
    let mut undeclared = Visit::begin(door, "POST /api/v1/objects?box=bob", &["Transfer-Encoding: chunked"]);
    undeclared.chunk(&[1; 401]).and_then(|()| undeclared.chunk(&[])).expect("it is read");
    assert_eq!(undeclared.answer().error(), (507, "quota".to_owned()));
    assert_eq!(post(door, "box=bob", &[], &[1; 400]).status, 201);
    assert_eq!(post(door, "box=bob", &[], b"").error(), (507, "quota".to_owned()));
    assert_eq!(post(door, "box=eve", &[], &[1; 600]).status, 201, "other boxes have room");
    assert_eq!(items(door, "/api/v1/objects?box=bob").len(), 2);

    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::launch_any(dir.path(), serve(dir.path(), &[("RESTANTE_SPOOL__RESERVE", "100000TiB")]));
    let refused = post(server.door(), "box=bob", &[], b"hello");
    assert_eq!((refused.error(), refused.header("retry-after")), ((507, "no_room".to_owned()), Some("30")));
    assert_eq!(items(server.door(), "/api/v1/objects"), Vec::<Value>::new());
}

#[test]
fn a_file_past_max_size_is_refused_before_its_octets_if_it_says_its_size_and_else_when_it_gets_there() {
    let house = House::new(&[("RESTANTE_MSRP__MAX_SIZE", "100KiB")]);
    let door = house.server.door();
    let waits = ["Content-Length: 102401", "Expect: 100-continue"];
    let declared = ask(door, "POST /api/v1/objects?box=bob", &waits);
    assert_eq!(declared.error(), (413, "too_large".to_owned()), "no octet was asked for");
    let mut visit = Visit::begin(door, "POST /api/v1/objects?box=bob", &["Transfer-Encoding: chunked"]);
    visit.chunk(&[0; 102_401]).expect("it is read");
    assert_eq!(visit.answer().error(), (413, "too_large".to_owned()));
    assert_eq!(post(door, "box=bob", &[], &[0; 102_400]).status, 201);
    assert_eq!((items(door, "/api/v1/objects").len(), stages(house.dir.path())), (1, 0));
}

#[test]
fn a_file_that_is_not_what_its_digest_says_is_refused() {
    let house = House::new(&[]);
    let door = house.server.door();
    let digest = |content: &[u8]| format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(content)));
    for field in ["Content-Digest", "Repr-Digest"] {
        let wrong = format!("{field}: sha-512=:AAAA:, {}", digest(b"other"));
        assert_eq!(post(door, "box=bob", &[&wrong], b"hello").error(), (400, "digest_mismatch".to_owned()));
        let right = format!("{field}: {}", digest(b"hello"));
        assert_eq!(post(door, "box=bob", &[&right], b"hello").status, 201);
    }
    assert_eq!(post(door, "box=bob", &["Content-Digest: sha-256=hello"], b"x").error().0, 400);
    assert_eq!(post(door, "box=bob", &["Content-Encoding: gzip"], b"x").error().0, 415);
    assert_eq!((items(door, "/api/v1/objects").len(), stages(house.dir.path())), (2, 0));
}

#[test]
fn a_reader_gets_the_range_it_asks_for_and_is_told_when_it_has_the_file_already() {
    let house = House::new(&[]);
    let door = house.server.door();
    let content: Vec<u8> = (0..=255).collect();
    let posted = post(door, "box=bob", &[], &content).json();
    let path = format!("/api/v1/objects/{}/content", text(&posted, "id"));
    let etag = format!("\"{}\"", text(&posted, "sha256"));
    let with = |method: &str, headers: &[&str]| ask(door, &format!("{method} {path}"), headers);

    let part = with("GET", &["Range: bytes=10-19"]);
    assert_eq!((part.status, part.body.as_slice()), (206, &content[10..20]));
    assert_eq!((part.header("content-range"), part.header("content-length")), (Some("bytes 10-19/256"), Some("10")));
    let tail = with("GET", &["Range: bytes=-6", &format!("If-Range: {etag}")]);
    assert_eq!((tail.status, tail.body.as_slice()), (206, &content[250..]));
    let other = with("GET", &["Range: bytes=-6", "If-Range: \"other\""]);
    assert_eq!((other.status, other.body == content), (200, true));
    let past = with("GET", &["Range: bytes=256-"]);
    assert_eq!((past.error().0, past.header("content-range")), (416, Some("bytes */256")));

    let known = with("GET", &[&format!("If-None-Match: \"x\", {etag}")]);
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag.as_str())));
    assert_eq!(with("GET", &["If-None-Match: \"x\""]).status, 200);
    assert_eq!(with("GET", &["If-Match: \"x\""]).error().0, 412);
    let head = with("HEAD", &[]);
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("256")));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
}

#[test]
fn a_file_that_has_rotted_breaks_off_before_its_end_and_is_set_aside() {
    let house = House::new(&[]);
    let door = house.server.door();
    let posted = post(door, "box=bob", &[], &Chance::new(seed()).octets(500_000)).json();
    let id = text(&posted, "id");
    let bodies = walk(&house.dir.path().join("spool/data"));
    let [body] = bodies.as_slice() else { panic!("one body: {bodies:?}") };
    let mut octets = fs::read(body).expect("a body");
    octets[250_000] ^= 1;
    fs::write(body, octets).expect("it can be written");
    let broken = get(door, &format!("/api/v1/objects/{id}/content"));
    assert_eq!((broken.status, broken.header("content-length")), (200, Some("500000")));
    assert!(broken.body.len() < 500_000, "{} octets came", broken.body.len());
    assert_eq!(get(door, &format!("/api/v1/objects/{id}/content")).status, 404, "it is served no more");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_file_on_its_way_by_msrp_is_seen_with_its_octets_and_its_call() {
    let house = House::new(&[]);
    let plan = Plan { chunk: 4096, ..Plan::new("m1", Chance::new(seed()).octets(100_000)) };
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let (tid, frame) = depositor.message.chunk(0, &plan.content[..plan.chunk]);
    depositor.stream.write(&frame).expect("a write");
    let mut promise = Promise::default();
    assert_eq!(depositor.answer(&tid, &mut promise).expect("an answer").status(), 200);
    let moving = items(house.server.door(), "/api/v1/transfers");
    let [moving] = moving.as_slice() else { panic!("one transfer: {moving:?}") };
    assert_eq!((text(moving, "direction"), text(moving, "by"), text(moving, "message_id")), ("in", "msrp", "m1"));
    assert_eq!((moving["octets"].as_u64(), moving["size"].as_u64()), (Some(4096), Some(100_000)));
    assert!(text(moving, "uri").starts_with("spool:/bob/") && !text(moving, "call_id").is_empty(), "{moving}");
}

#[test]
fn a_server_that_is_told_to_stop_finishes_the_upload_under_way_and_takes_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let door = server.door();
    let mut under_way = Visit::begin(door, "POST /api/v1/objects?box=bob", &["Content-Length: 10"]);
    under_way.write(b"hello").expect("half of it");
    eventually("its octets", || {
        items(door, "/api/v1/transfers").iter().any(|moving| moving["octets"] == 5).then_some(())
    });
    server.signal(rustix::process::Signal::TERM);
    eventually("the drain", || get(door, "/readyz").json()["reasons"].to_string().contains("draining").then_some(()));
    assert_eq!(post(door, "box=bob", &[], b"late").error(), (503, "unavailable".to_owned()));
    under_way.write(b"world").expect("the rest");
    assert_eq!(under_way.answer().status, 201);
}

#[test]
fn without_a_token_no_page_of_another_origin_comes_in_and_with_one_nobody_without_it() {
    let house = House::new(&[]);
    let door = house.server.door();
    let origins = [["Origin: https://evil.example"], ["Origin: null"], ["Host: evil.example"]];
    for headers in &origins {
        assert_eq!(post(door, "box=bob", headers, b"x").error(), (403, "forbidden".to_owned()), "{headers:?}");
        assert_eq!(ask(door, "GET /api/v1/objects", headers).error().0, 403, "{headers:?}");
    }
    let own = format!("Origin: http://{door}");
    assert_eq!(post(door, "box=bob", &[&own], b"x").status, 201);
    assert_eq!(items(door, "/api/v1/objects").len(), 1);
    assert!(ask(door, "OPTIONS /api/v1/objects", &origins[0]).header("access-control-allow-origin").is_none());

    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("token"), "s3cret\n").expect("a token");
    let server = Server::launch_any(dir.path(), serve(dir.path(), &[("RESTANTE_HTTP__TOKEN_FILE", "token")]));
    let door = server.door();
    let refused = post(door, "box=bob", &[], b"x");
    assert_eq!(
        (refused.error(), refused.header("www-authenticate")),
        ((401, "unauthorised".to_owned()), Some("Bearer"))
    );
    let token = "Authorization: Bearer s3cret";
    assert_eq!(
        post(door, "box=bob", &[token, "Host: files.example", "Origin: https://desk.example"], b"x").status,
        201
    );
}
