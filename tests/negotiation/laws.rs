//! What holds for every offer and answer: the fuzz target's body on offers that chance puts together.

#[path = "../../fuzz/bodies/msrp_uri.rs"]
mod msrp_uri;
#[path = "../../fuzz/bodies/sdp_negotiate.rs"]
mod sdp_negotiate;
#[path = "../../fuzz/bodies/selector.rs"]
mod selector;

use proptest::prelude::*;

proptest! {
    // M4145-4.1-04 M3264-6-02 M3264-6.1-02
    #[test]
    fn both_ends_of_a_negotiation_read_the_same_agreement(choices in prop::collection::vec(any::<u8>(), 0..96)) {
        sdp_negotiate::run(&choices);
    }

    #[test]
    fn a_path_is_printed_as_it_was_read(
        path in "(msrps?://([a-z]@)?(h|\\[::1\\]|192\\.0\\.2\\.1)(:[1-9])?(/[a-z]{1,2})?;(tcp|ws)(;x=1)? {1,2}){1,3}",
    ) {
        msrp_uri::run(path.as_bytes());
    }

    #[test]
    fn a_selector_is_offered_on_as_it_was_read(
        selector in "(name:\"[ -~é%]{0,6}\" ?|size:[0-9]{1,3} ?|type:[a-z]{1,3}/[a-z]{1,3}(;x=\"[ -~]{1,3}\")? ?){1,3}",
    ) {
        selector::run(selector.as_bytes());
    }
}
