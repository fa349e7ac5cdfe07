//! Every input in `fuzz/corpus` again, through the same bodies as the fuzz targets of the same names.

#[path = "../fuzz/bodies/byte_range.rs"]
mod byte_range;
#[path = "../fuzz/bodies/cpim.rs"]
mod cpim;
#[path = "../fuzz/bodies/envelope.rs"]
mod envelope;
#[path = "../fuzz/bodies/msml_document.rs"]
mod msml_document;
#[path = "../fuzz/bodies/msrp_decoder.rs"]
mod msrp_decoder;
#[path = "../fuzz/bodies/msrp_uri.rs"]
mod msrp_uri;
#[path = "../fuzz/bodies/pieces.rs"]
mod pieces;
#[path = "../fuzz/bodies/sdp_negotiate.rs"]
mod sdp_negotiate;
#[path = "../fuzz/bodies/sdp_parse.rs"]
mod sdp_parse;
#[path = "../fuzz/bodies/selector.rs"]
mod selector;
#[path = "../fuzz/bodies/sip_parse.rs"]
mod sip_parse;
#[path = "../fuzz/bodies/websocket.rs"]
mod websocket;

use std::path::{Path, PathBuf};

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("an entry").path());
    let mut inputs: Vec<PathBuf> = entries.collect();
    inputs.sort();
    assert!(inputs.len() >= 12, "{} inputs are no corpus", inputs.len());
    for input in inputs {
        let octets = std::fs::read(&input).expect("an input");
        // The name of the input that fails is all one needs to reproduce it.
        let _name = Name(&input);
        body(&octets);
    }
}

struct Name<'a>(&'a Path);

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with the input {}", self.0.display());
        }
    }
}

// M4975-9-10
#[test]
fn msrp_streams_of_the_corpus_give_the_same_events_however_they_are_cut() {
    replay("msrp_decoder", msrp_decoder::run);
}

// S7
#[test]
fn chunks_of_the_corpus_are_written_where_they_belong_and_nowhere_else() {
    replay("byte_range", byte_range::run);
}

// M7977-5.1-03 M7977-5.1-04
#[test]
fn websocket_messages_of_the_corpus_are_one_frame_to_whoever_reads_them_or_refused() {
    replay("websocket", websocket::run);
}

#[test]
fn sip_messages_of_the_corpus_are_printed_as_they_were_read_and_every_call_ends() {
    replay("sip_parse", sip_parse::run);
}

#[test]
fn descriptions_of_the_corpus_are_answered_line_for_line() {
    replay("sdp_parse", sdp_parse::run);
}

#[test]
fn negotiations_of_the_corpus_end_in_answers_that_fit_from_both_ends() {
    replay("sdp_negotiate", sdp_negotiate::run);
}

#[test]
fn paths_of_the_corpus_are_printed_as_they_were_read() {
    replay("msrp_uri", msrp_uri::run);
}

#[test]
fn selectors_of_the_corpus_are_offered_on_as_they_were_read() {
    replay("selector", selector::run);
}

// TX-7
#[test]
fn msml_documents_of_the_corpus_get_one_reply_each_and_every_dialog_ends() {
    replay("msml_document", msml_document::run);
}

#[test]
fn spools_of_the_corpus_open_and_open_again_with_the_same_objects() {
    replay("envelope", envelope::run);
}

#[test]
fn wrappers_of_the_corpus_open_with_less_as_with_more_and_come_back_in_one_of_ours() {
    replay("cpim", cpim::run);
}
