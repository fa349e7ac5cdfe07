//! A full box without an application server: whoever brings something is told so by the answer to its INVITE.

use super::support::deposit::Plan;
use super::support::http::{ask, items};
use super::support::sip::{Call, description};
use super::{brings, content, dir, drop_box};

#[test]
fn a_file_that_its_box_has_no_room_for_is_refused_by_the_answer_to_its_invite_which_says_why() {
    let place = dir();
    let server = drop_box(place.path(), "[[boxes]]\nmatch = \"bob\"\nquota_objects = 1\nquota_octets = \"32KiB\"\n");
    let invites = |mailbox: &str, offer: &str| Call::invite(server.sip("tcp"), mailbox, offer).expect("an answer").1;
    let too_large = invites("bob", &Plan::new("big", content(40_000)).offer());
    assert_eq!(too_large.status(), 480, "{too_large:?}");
    assert!(too_large.header("Warning").contains("box bob may hold 32768 octets"), "{too_large:?}");
    assert!(!too_large.header("Retry-After").is_empty(), "{too_large:?}");
    let plan = Plan::new("m1", content(700));
    brings(&server, &plan);
    let session = description("s9", &["a=sendonly"]);
    for offer in [Plan::new("m2", content(700)).offer(), session] {
        let full = invites("bob", &offer);
        assert_eq!(full.status(), 480, "{full:?}");
        assert!(full.header("Warning").contains("box bob may hold 1 objects"), "{full:?}");
        assert_eq!(invites("eve", &offer).status(), 200, "another box");
    }
    // When something was deleted there is room again.
    let object = items(server.door(), "/api/v1/objects?box=bob")[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(ask(server.door(), &format!("DELETE /api/v1/objects/{object}"), &[]).status, 204);
    brings(&server, &Plan::new("m2", content(700)));
}
