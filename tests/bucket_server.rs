//! The server as a process with a bucket: killed while it uploads, watched while it uploads, and given a bucket that lies.

#[path = "support/s3.rs"]
mod s3;
mod support;

use std::io::ErrorKind;
use std::path::Path;

use axum::http::Method;
use s3::{Fault, Plan as Failure, S3};
use serde_json::Value;
use support::deposit::{Depositor, Plan, Promise, deposit_works};
use support::msrp::{Frame, Message, Stream};
use support::server::{Server, run_with, serve};
use support::sip::{Call, description};
use support::{Chance, eventually};
use tempfile::TempDir;

const MIB: usize = 1024 * 1024;

/// What a server has to know of the bucket.
fn variables(s3: &S3, report: &str) -> Vec<(String, String)> {
    let own = [("RESTANTE_SPOOL__URL", "s3://bucket/voice"), ("RESTANTE_SPOOL__REPORT", report)];
    let own = own.into_iter().chain([("RESTANTE_SPOOL__PART", "5MiB"), ("RESTANTE_MSRP__MAX_SIZE", "1TiB")]);
    own.map(|(name, value)| (name.to_owned(), value.to_owned())).chain(s3.variables()).collect()
}

fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What a command says, and how it ends.
fn command(dir: &Path, variables: &[(String, String)], arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = run_with(dir, &borrowed(variables), arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), output.status.code())
}

#[test]
fn an_upload_goes_on_where_it_was_when_the_server_was_killed() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let variables = variables(&s3, "bucket");
    let plan = Plan { chunk: MIB, ..Plan::new("m1", Chance::new(1).octets(20 * MIB)) };
    let server = Server::start(dir.path(), &borrowed(&variables));
    let mut depositor = Depositor::connect(&server, &plan).expect("a call");
    let mut durable = 0;
    for at in (0..17 * MIB).step_by(MIB) {
        let (tid, frame) = depositor.message.chunk(at as u64, &plan.content[at..at + MIB]);
        depositor.stream.write(&frame).expect("a write");
        let mut is_answered = false;
        while !is_answered || (at == 16 * MIB && durable == 0) {
            let frame = depositor.stream.read().expect("an answer");
            is_answered |= frame.tid == tid;
            if frame.reported() == 200 {
                let end = frame.header("Byte-Range").split(['-', '/']).nth(1).expect("an end").to_owned();
                durable = end.parse().expect("a number");
            }
        }
    }
    eventually("three parts in the bucket", || (s3.seen("PUT", "partNumber=3") > 0).then_some(()));
    server.kill();
    let server = Server::start(dir.path(), &borrowed(&variables));
    let mut depositor = Depositor::connect(&server, &plan).expect("a call");
    let mut promise = Promise::default();
    assert!(depositor.send(durable, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    assert_eq!(s3.seen("POST", "?uploads"), 1, "one upload was begun, and went on");
    assert_eq!((s3.seen("PUT", "partNumber=1"), s3.seen("PUT", "partNumber=2")), (1, 1), "what was there stayed");
    // The bucket alone is enough to see and to check it, from anywhere.
    let place = ["--json", "--spool", "s3://bucket/voice"];
    let (objects, _) = command(dir.path(), &variables, &[&["spool", "list"][..], &place].concat());
    assert_eq!((objects.len(), objects[0]["sha256"].as_str()), (1, Some(plan.sha256().as_str())));
    let (_, code) = command(dir.path(), &variables, &[&["spool", "verify"][..], &place].concat());
    assert_eq!(code, Some(0));
    let to = dir.path().join("out");
    let export = ["spool", "export", "--to", to.to_str().expect("UTF-8")];
    assert_eq!(command(dir.path(), &variables, &[&export[..], &place].concat()).1, Some(0));
    assert!(to.join("export.jsonl").is_file());
}

#[test]
fn what_is_reported_from_the_disk_follows_into_the_bucket_and_can_be_fetched_from_there() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let variables = variables(&s3, "disk+bucket");
    let server = Server::start(dir.path(), &borrowed(&variables));
    // A bucket that is away for a while keeps nobody from bringing files.
    s3.plan(Failure { method: Method::PUT, contains: "/data/", fault: Fault::Expired, times: 1 });
    let promise = deposit_works(&server, "m1");
    eventually("a refusal", || server.log().contains("not yet in the bucket").then_some(()));
    assert!(server.http("/readyz").starts_with("HTTP/1.1 200"), "{}", server.http("/readyz"));
    let is_gone = || std::fs::read_dir(dir.path().join("spool/queued")).expect("a directory").next().is_none();
    eventually("it has left the disk", || is_gone().then_some(()));
    let (objects, _) = command(dir.path(), &variables, &["spool", "list", "--json", "--spool", "s3://bucket/voice"]);
    assert_eq!(objects[0]["uri"].as_str(), Some(promise.uri.as_str()));
    let none_follows = || server.http("/metrics").contains("restante_spool_following 0");
    eventually("the gauge says so", || none_follows().then_some(()));
}

// R23
#[test]
fn a_server_whose_bucket_ignores_conditions_is_not_ready_and_takes_nothing() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    s3.ignore_conditions();
    let variables = variables(&s3, "bucket");
    let server = Server::launch_any(dir.path(), serve(dir.path(), &borrowed(&variables)));
    let ready = server.http("/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("If-None-Match is ignored"), "{ready}");
    let (findings, code) = command(dir.path(), &variables, &["s3", "doctor", "s3://bucket/voice", "--json"]);
    assert_eq!(code, Some(1));
    let failed = findings.iter().filter(|finding| finding["ok"] == false && finding["needed"] == true);
    assert_eq!(failed.count(), 2, "{findings:?}");
}

#[test]
fn the_doctor_ends_well_where_the_bucket_is_sound() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let (findings, code) = command(dir.path(), &s3.variables(), &["s3", "doctor", "s3://bucket/voice", "--json"]);
    assert_eq!((findings.len(), code), (8, Some(0)), "{findings:?}");
    let (_, code) = command(dir.path(), &s3.variables(), &["s3", "doctor", "http://bucket/voice"]);
    assert_eq!(code, Some(2), "typed wrong");
}

/// The next frame. A machine whose disk is busy with gigabytes may take its time for one.
fn answer(stream: &mut Stream) -> Frame {
    let mut tries = 0..10;
    loop {
        match stream.read() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && tries.next().is_some() => {}
            read => return read.expect("an answer"),
        }
    }
}

/// `RESTANTE_BUCKET_OCTETS` makes it as large as one likes; what it takes of memory does not depend on it.
#[test]
fn memory_does_not_grow_with_what_goes_into_the_bucket() {
    let total = std::env::var("RESTANTE_BUCKET_OCTETS").ok().and_then(|octets| octets.parse().ok());
    let total: u64 = total.unwrap_or(64 * MIB as u64);
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let variables = variables(&s3, "bucket");
    let server = Server::start(dir.path(), &borrowed(&variables));
    let idle = server.memory("VmRSS");
    let selector = format!("a=file-selector:type:application/octet-stream size:{total}");
    let offer = description("big", &["a=sendonly", &selector, "a=file-transfer-id:big"]);
    let (mut call, agreed) = Call::invite(server.sip("tcp"), "bob", &offer).expect("a call");
    let script = "<record dest=\"spool:/bob/\" format=\"application/octet-stream\" maxtime=\"7200s\"/>\
                  <exit namelist=\"record.end record.len\"/>";
    assert!(call.start(script).expect("a result").body.contains("200"));
    let (to, from) = (agreed.attribute("path").to_owned(), "msrp://127.0.0.1:9/sbig;tcp".to_owned());
    let message = Message { to, from, id: "big".to_owned(), total };
    let mut stream = Stream::connect(server.msrp(), None).expect("a stream");
    let octets = Chance::new(9).octets(MIB);
    let mut at = 0;
    while at < total {
        let length = (total - at).min(MIB as u64);
        let (tid, frame) = message.chunk(at, &octets[..usize::try_from(length).expect("it fits")]);
        stream.write(&frame).expect("a write");
        while answer(&mut stream).tid != tid {}
        at += length;
    }
    let exit = (0..60).find_map(|_| call.event("msml.dialog.exit").ok()).expect("the commit");
    assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
    let (peak, now) = (server.memory("VmHWM"), server.memory("VmRSS"));
    println!(
        "{total} octets: idle {idle} KiB, peak {peak} KiB, afterwards {now} KiB, {} parts",
        s3.seen("PUT", "partNumber=")
    );
    assert!(peak - idle <= 96 * 1024, "idle {idle} KiB, peak {peak} KiB");
}
