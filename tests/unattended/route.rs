//! What is forwarded by a rule, from one server to another.

use std::net::TcpListener;
use std::path::Path;

use super::support::deposit::Plan;
use super::support::eventually;
use super::support::http::{ask, items};
use super::support::server::Server;
use super::{asks_as, brings, configured, content, dir, drop_box, owners, takes};

/// A rule that forwards what arrives for anybody to the same at this port.
fn rule(port: u16, more: &str) -> String {
    format!("[[queue.route]]\nmatch = \"*\"\nto = \"sip:{{box}}@127.0.0.1:{port};transport=tcp\"\n{more}")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A server at this port that obeys nobody and waits no longer than it has to.
fn impatient(dir: &Path, port: u16, more: &str) -> Server {
    let listen = format!("tcp:127.0.0.1:{port}");
    let variables = [
        ("RESTANTE_SIP__LISTEN", listen.as_str()),
        ("RESTANTE_CONTROL__UNATTENDED", "deposit"),
        ("RESTANTE_CONTROL__TRUSTED", "10.0.0.0/8"),
        ("RESTANTE_QUEUE__BACKOFF_MIN", "50ms"),
        ("RESTANTE_QUEUE__BACKOFF_MAX", "200ms"),
    ];
    configured(dir, &variables, more)
}

fn objects(server: &Server) -> Vec<serde_json::Value> {
    items(server.door(), "/api/v1/objects?limit=1000")
}

fn delivered(server: &Server) -> usize {
    let all = items(server.door(), "/api/v1/deliveries?limit=1000");
    all.iter().filter(|delivery| delivery["state"] == "delivered").count()
}

#[test]
fn what_a_phone_leaves_with_one_server_its_owner_fetches_from_another_and_no_application_server_is_anywhere() {
    let (near, far) = (dir(), dir());
    let theirs = drop_box(far.path(), &owners(far.path(), "bob:open sesame\n"));
    let ours = drop_box(near.path(), &rule(theirs.sip("tcp").port(), "delete = true\n"));
    let plan = Plan::new("m1", content(100_000));
    brings(&ours, &plan);
    let there = eventually("the object there", || objects(&theirs).pop());
    assert_eq!((&there["box"], &there["sha256"]), (&"bob".into(), &plan.sha256().into()));
    eventually("that it is here no more", || objects(&ours).is_empty().then_some(()));
    let uri = format!("sip:bob@{}", theirs.sip("tcp"));
    let (mut call, answer) = asks_as(&theirs, &uri, "p1", "name:\"m1.bin\"", ("bob", "open sesame"));
    assert_eq!(takes(&theirs, &answer, "p1"), plan.content);
    call.bye().expect("an answer");
    assert_eq!(objects(&theirs).len(), 1);
}

#[test]
fn a_server_that_is_killed_before_it_could_forward_does_so_when_it_is_back() {
    let (near, far) = (dir(), dir());
    let port = free_port();
    let ours = impatient(near.path(), 0, &rule(port, ""));
    let plans: Vec<Plan> = (0..3).map(|number| Plan::new(&format!("m{number}"), content(20_000 + number))).collect();
    plans.iter().for_each(|plan| brings(&ours, plan));
    ours.kill();
    let ours = impatient(near.path(), 0, &rule(port, ""));
    let theirs = impatient(far.path(), port, "");
    eventually("the end of each", || (delivered(&ours) == 3).then_some(()));
    let mut came: Vec<String> = objects(&theirs).iter().map(|object| object["sha256"].to_string()).collect();
    let mut went: Vec<String> = plans.iter().map(|plan| format!("\"{}\"", plan.sha256())).collect();
    came.sort();
    went.sort();
    assert_eq!(came, went);
}

// R29
#[test]
fn what_two_servers_forward_to_each_other_comes_to_its_end() {
    let (one, two) = (dir(), dir());
    let ports = [free_port(), free_port()];
    let servers =
        [impatient(one.path(), ports[0], &rule(ports[1], "")), impatient(two.path(), ports[1], &rule(ports[0], ""))];
    brings(&servers[0], &Plan::new("m1", content(700)));
    let cut = |server: &Server| server.log().contains("it was forwarded too often already, and stays here");
    eventually("the cut", || servers.iter().any(cut).then_some(()));
    let counts = || servers.iter().map(|server| objects(server).len()).sum::<usize>();
    eventually("the end of all deliveries", || (servers.iter().map(delivered).sum::<usize>() == 15).then_some(()));
    assert_eq!(counts(), 16);
}

#[test]
fn a_rule_takes_what_has_its_type_and_a_delivery_of_its_own_can_be_called_back() {
    let place = dir();
    let more = rule(free_port(), "types = [\"application/*\"]\nafter = \"1h\"\n");
    let server = drop_box(
        place.path(),
        &(more + "[[queue.route]]\nmatch = \"*\"\ntypes = [\"audio/*\"]\nto = \"sip:x@127.0.0.1:9\"\n"),
    );
    brings(&server, &Plan::new("m1", content(700)));
    let waits = items(server.door(), "/api/v1/deliveries");
    assert_eq!((waits.len(), &waits[0]["state"]), (1, &"incoming".into()), "{waits:?}");
    let id = waits[0]["id"].as_str().expect("an id");
    assert_eq!(ask(server.door(), &format!("POST /api/v1/deliveries/{id}/cancel"), &[]).status, 200);
    assert_eq!(items(server.door(), "/api/v1/deliveries")[0]["state"], "cancelled");
}
