//! The commands as they are typed: files that go on by themselves, and pictures that come back.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::support::deposit::{Plan, Promise, deposit};
use super::support::eventually;
use super::support::server::{Server, run};
use super::{House, TempDir, content, door};

fn server_uri(server: &Server) -> String {
    format!("sip:{};transport=tcp", server.sip("tcp"))
}

#[test]
fn a_retrieval_goes_on_with_the_part_that_is_there_and_throws_away_one_of_another_file() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(200_000));
    let mut promise = Promise::default();
    deposit(&house.server, &plan, &mut promise).expect("a deposit");
    let uri = server_uri(&house.server);
    let path = |name: &str| house.dir.path().join(name);
    let retrieve = || run(house.dir.path(), &["retrieve", &promise.uri, "-o", "back", "--force", "--server", &uri]);

    fs::write(path("back.part"), &plan.content[..150_000]).expect("a part");
    let before = received(&house.server);
    let output = retrieve();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((fs::read(path("back")).expect("a file"), path("back.part").exists()), (plan.content.clone(), false));
    assert!(house.server.log().contains("octets=50000 from=150000"), "{}", house.server.log());
    assert_eq!(received(&house.server), before);

    fs::write(path("back.part"), vec![7; 1000]).expect("a part of something else");
    assert_eq!(retrieve().status.code(), Some(1));
    assert!(!path("back.part").exists());
    // A part that is longer than the file is no part of it either: everything comes again.
    fs::write(path("back.part"), vec![7; 200_001]).expect("a part of something else");
    assert_eq!(retrieve().status.code(), Some(0));
    assert_eq!(fs::read(path("back")).expect("a file"), plan.content);
}

/// Octets of files that the server has received since its start.
fn received(server: &Server) -> u64 {
    let metrics = server.http("/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("restante_transfer_octets_total{direction=\"in\"} "));
    line.map_or(0, |count| count.trim().parse().expect("a number"))
}

#[test]
fn a_picture_is_deposited_with_its_file_and_comes_back_with_it() {
    let house = House::new(&[]);
    let path = |name: &str| house.dir.path().join(name);
    fs::write(path("file.txt"), "text").expect("a file");
    fs::write(path("small.png"), b"\x89PNG and so on\0\xff").expect("a picture");
    let uri = server_uri(&house.server);
    let deposited = ["deposit", "file.txt", "--box", "bob", "--icon", "small.png", "--quiet", "--server", &uri];
    let name = String::from_utf8(run(house.dir.path(), &deposited).stdout).expect("UTF-8").trim().to_owned();
    let arguments = ["retrieve", &name, "-o", "back", "--icon-out", "back.png", "--server", &uri];
    assert_eq!(run(house.dir.path(), &arguments).status.code(), Some(0));
    assert_eq!(fs::read(path("back")).expect("a file"), b"text");
    assert_eq!(fs::read(path("back.png")).expect("a picture"), b"\x89PNG and so on\0\xff");
}

/// The Message-ID of the file that a server began to receive.
fn receiving(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("receiving")).expect("a file began to come");
    let id = line.split("message_id=").nth(1).and_then(|rest| rest.split([' ', '"']).next());
    id.expect("its Message-ID").to_owned()
}

// Promise 8, from the other side; M4975-5.4-20
#[test]
fn a_deposit_whose_server_is_killed_goes_on_when_it_is_back_with_what_was_not_reported() {
    const OCTETS: u32 = 64 * 1024 * 1024;
    let mut house = House::new(&[]);
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let (sip, msrp) = (format!("tcp:{}", free()), free());
    // Enough for an incremental REPORT, and not enough to be through before the kill.
    let door = door::stops_after(u64::from(OCTETS) * 5 / 8, msrp).to_string();
    let (listen, behind) = (format!("tcp:{msrp}"), door.as_str());
    let variables = [
        ("RESTANTE_SIP__LISTEN", sip.as_str()),
        ("RESTANTE_MSRP__LISTEN", &listen),
        ("RESTANTE_MSRP__ADVERTISE", behind),
    ];
    let start = |house: &House| Server::start(house.dir.path(), &variables);
    let spare = TempDir::new().expect("a place");
    std::mem::replace(&mut house.server, Server::start(spare.path(), &[])).kill();
    house.server = start(&house);
    let plan = Plan::new("big", content(OCTETS));
    fs::write(house.dir.path().join("big"), &plan.content).expect("a file");
    let uri = server_uri(&house.server);
    let client = Command::new(env!("CARGO_BIN_EXE_restante"))
        .current_dir(house.dir.path())
        .args(["deposit", "big", "--box", "bob", "--server", &uri])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let stage = house.dir.path().join("spool/stage");
    let names = || fs::read_dir(&stage).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.file_name());
    eventually("a report", || names().find(|name| name.to_string_lossy().ends_with(".ranges")));
    let message_id = receiving(&house.server.log());
    std::mem::replace(&mut house.server, Server::start(spare.path(), &[])).kill();
    house.server = start(&house);
    let output = client.wait_with_output().expect("the client ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("going on"), "{told}");
    assert_eq!(house.objects()[0]["sha256"].as_str(), Some(plan.sha256().as_str()));
    assert_eq!(receiving(&house.server.log()), message_id, "it is the same message");
    let came = received(&house.server);
    assert!(came > 0 && came < u64::from(OCTETS), "{came} octets came after the kill, of {OCTETS}");
    assert!(house.stages().is_empty());
}
