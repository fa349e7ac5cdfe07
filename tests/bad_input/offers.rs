//! Session descriptions that can't be served, and odd ones that can.

use super::House;
use super::support::sip::{Call, description};

fn answer(house: &House, offer: &str) -> super::support::sip::Message {
    Call::invite(house.server.sip("tcp"), "bob", offer).expect("an answer").1
}

// M3261-13.3.1.3-01
#[test]
fn an_offer_without_a_message_stream_is_not_acceptable() {
    let house = House::new(&[]);
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let answer = answer(&house, offer);
    assert_eq!(answer.status(), 488, "{answer:?}");
    assert!(answer.header("Warning").contains("message"), "the warning names the fault: {answer:?}");
    house.ends_well();
}

// M5547-10-07
#[test]
fn a_file_above_max_size_is_refused_before_any_octet_is_sent() {
    let house = House::new(&[("RESTANTE_MSRP__MAX_SIZE", "64KiB")]);
    let selector = "a=file-selector:name:\"big\" type:application/octet-stream size:65537";
    let answer = answer(&house, &description("s1", &["a=sendonly", selector, "a=file-transfer-id:t1"]));
    assert_eq!(answer.status(), 488, "{answer:?}");
    assert!(answer.header("Warning").contains("max-size"), "{answer:?}");
    house.ends_well();
}

#[test]
fn a_description_that_cannot_be_read_is_a_bad_request_that_says_where() {
    let house = House::new(&[]);
    let good = description("s1", &["a=sendonly"]);
    for offer in [
        "garbage".to_owned(),
        "v=0\r\no=\r\ns=\r\n".to_owned(),
        good.replace("v=0", "v=one"),
        good.replace("m=message 9", "m=message nine"),
        "v=0\r\n".repeat(100),
    ] {
        let answer = answer(&house, &offer);
        assert_eq!(answer.status(), 400, "{offer}: {answer:?}");
        assert!(answer.header("Warning").contains("session description"), "{offer}: {answer:?}");
    }
    house.ends_well();
}

// M3264-5-03
#[test]
fn lines_of_no_use_to_files_do_no_harm() {
    let house = House::new(&[]);
    for line in [
        "r=7d 1h 0 25h",
        "r=604800 3600 0 90000",
        "z=2882844526 -1h 2898848070 0",
        "b=X-ODD:1",
        "k=clear:secret",
        "a=connection:new",
    ] {
        // In place of nothing: after the first t=, where repeat times and zones belong.
        let offer = description("s1", &["a=sendonly"]).replace("t=0 0\r\n", &format!("t=0 0\r\n{line}\r\n"));
        let answer = answer(&house, &offer);
        assert_eq!(answer.status(), 200, "{line}: {answer:?}");
        assert!(answer.attribute("path").starts_with("msrp://"), "{line}: {answer:?}");
    }
    house.ends_well();
}
