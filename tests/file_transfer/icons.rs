//! Preview pictures: in beside a description, kept with the object, and out again to those who take them.

use super::support::deposit::Plan;
use super::support::msrp::{Message, Stream};
use super::support::server::{json, run};
use super::support::sip::{Call, HEAD, Wire, media};
use super::{House, content, ports};

/// As good as any picture.
const PICTURE: &str = "\u{1}PNG and so on\u{0}";

fn with_icon(offer: &str, kind: &str) -> String {
    format!(
        "--edge\r\nContent-Type: application/sdp\r\n\r\n{offer}\r\n--edge\r\nContent-Type: {kind}\r\n\
         Content-Transfer-Encoding: binary\r\nContent-ID: <i1@phone.example.net>\r\nContent-Disposition: icon\r\n\r\n\
         {PICTURE}\r\n--edge--\r\n"
    )
}

/// Deposits the plan's file with a picture.
fn deposit(house: &House, plan: &Plan, kind: &str) -> Call {
    let offer = plan.offer() + "a=file-icon:cid:i1%40phone.example.net\r\n";
    let address = house.server.sip("tcp");
    let wire = Wire::connect(address, None).expect("a connection");
    let body = ("multipart/related; type=\"application/sdp\"; boundary=edge", &*with_icon(&offer, kind));
    let (mut call, answer) = Call::invite_with(wire, address, "bob", body).expect("a call");
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(!answer.body.contains("file-icon"), "{answer:?}");
    call.start(&plan.script()).expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let (to, from) = (answer.attribute("path").to_owned(), format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id));
    let message = Message { to, from, id: plan.message_id.clone(), total: plan.content.len() as u64 };
    stream.write(&message.chunk(0, &plan.content).1).expect("a write");
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");
    call
}

// M5547-8.8-02
#[test]
fn a_picture_beside_the_description_is_kept_with_its_file_and_what_is_none_is_not() {
    let house = House::new(&[]);
    for (id, kind) in [("m1", "image/png"), ("m2", "text/html")] {
        deposit(&house, &Plan::new(id, content(700)), kind);
    }
    let objects = house.objects();
    let shown = objects.iter().map(|object| {
        json(house.dir.path(), &["spool", "show", object["id"].as_str().expect("an id"), "--json"]).remove(0)
    });
    let icons: Vec<_> = shown.map(|object| (object["icon"].clone(), object["icon_octets"].clone())).collect();
    assert_eq!(icons, [("image/png".into(), PICTURE.len().into()), (().into(), ().into())]);
}

// M5547-8.8-01 M5547-8.8-05 M5547-8.2.1-04 M5547-8.1-02 M5547-8.1-04 M5547-8.1-05 M5547-8.2-01 M5547-8.2.1-02 M5547-8.7-04
#[test]
fn a_file_goes_out_with_its_picture_and_without_it_to_who_refuses_it() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(700));
    let mut call = deposit(&house, &plan, "image/png");
    let uri = house.objects()[0]["uri"].as_str().expect("a URI").to_owned();
    // Given a phone that takes no bodies but descriptions, and whose only stream is one that sends,
    let answer = format!("{HEAD}{}", media("back", &["a=recvonly"]));
    let next = answer.replace("/back;", "/next;");
    call.replies.extend([(415, String::new()), (200, answer), (200, next)]);
    call.start(&format!("<play><audio uri=\"{uri}\"/><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>"))
        .expect("an answer");
    // when a file is played to it, then the first offer has the picture,
    let offered = call.asked("INVITE").expect("an offer");
    assert!(offered.header("Content-Type").starts_with("multipart/related;type=\"application/sdp\""), "{offered:?}");
    let url = offered.attribute("file-icon").strip_prefix("cid:").expect("a cid URL").to_owned();
    assert!(offered.body.contains(&format!("Content-ID: <{url}>\r\n")) && offered.body.contains(PICTURE));
    let first_id = offered.attribute("file-transfer-id").to_owned();
    assert!(first_id.len() >= 32, "{first_id}");
    // and the second has not, and is for the same file.
    let plain = call.asked("INVITE").expect("a second offer");
    assert_eq!((plain.header("Content-Type"), plain.attribute("file-icon")), ("application/sdp", ""));
    assert_eq!(plain.attribute("file-selector"), offered.attribute("file-selector"));
    assert_eq!(ports(&plain.body).len(), 1);
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let to = plain.attribute("path").to_owned();
    assert_eq!(stream.greet(&to, "msrp://127.0.0.1:9/back;tcp").expect("an answer").status(), 200);
    assert_eq!(stream.receive().expect("a file"), plan.content);
    // The next file takes the line that is done, under an id of its own.
    let next = call.asked("INVITE").expect("a third offer");
    assert_eq!(ports(&next.body).len(), 1, "{next:?}");
    let ids = [&offered, &plain, &next].map(|offer| offer.attribute("file-transfer-id"));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let to = next.attribute("path").to_owned();
    assert_eq!(stream.greet(&to, "msrp://127.0.0.1:9/next;tcp").expect("an answer").status(), 200);
    assert_eq!(stream.receive().expect("a file"), plan.content);
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("play.end"), "play.complete");
}

// M5547-8.8-06
#[test]
fn a_command_brings_a_picture_with_its_file_if_it_is_small_and_one() {
    let house = House::new(&[]);
    let path = |name: &str| house.dir.path().join(name).display().to_string();
    std::fs::write(path("file.txt"), "text").expect("a file");
    std::fs::write(path("small.png"), PICTURE).expect("a file");
    std::fs::write(path("big.png"), [0; 20_000]).expect("a file");
    let server = format!("sip:{};transport=tcp", house.server.sip("tcp"));
    let deposit = |icon: &str| {
        run(house.dir.path(), &["deposit", "file.txt", "--box", "bob", "--icon", icon, "--server", &server])
            .status
            .code()
    };
    assert_eq!([deposit("small.png"), deposit("big.png"), deposit("file.txt")], [Some(0), Some(1), Some(1)]);
    let objects = house.objects();
    let shown = json(house.dir.path(), &["spool", "show", objects[0]["id"].as_str().expect("an id"), "--json"]);
    assert_eq!((objects.len(), &shown[0]["icon"]), (1, &"image/png".into()));
}
