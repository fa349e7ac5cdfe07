//! The input is the beginning of a `message/cpim`. What opens, opens with less as with more, and comes back when an
//! envelope of ours says the same.

use restante::model::{Imdn, Party, Wrapper};
use restante::msrp::cpim::{Content, Enclosed, open, print};

pub(crate) fn run(data: &[u8]) {
    let opened = open(data);
    if let Err(error) = &opened {
        assert!(matches!(error.status().0, 400 | 415), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error:?} would break a line of the log");
    }
    let Ok(Some(content)) = opened else { return };
    let offset = usize::try_from(content.offset).expect("it is in the input");
    assert!(offset <= data.len() && data[..offset].ends_with(b"\n"));
    for cut in [offset / 2, offset - 1] {
        assert_eq!(open(&data[..cut]), Ok(None), "nothing is known before the content begins");
    }
    assert_eq!(open(&[&data[..offset], b"From: more\r\n\r\n"].concat()), Ok(Some(content.clone())));
    again(&content);
}

/// An envelope of ours with the same words opens to them.
fn again(content: &Content) {
    let wrapper = plain(content.wrappers.last().expect("there is an envelope"));
    let media_type = content.media_type.trim().to_owned();
    let head = print(&wrapper, &Enclosed { media_type: media_type.clone(), disposition: None, content_id: None });
    for line in head.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.iter().any(u8::is_ascii_control), "{}", line.escape_ascii());
    }
    let reopened = open(&head).expect("an envelope of ours").expect("all of its head");
    assert_eq!((reopened.offset, reopened.wrappers), (head.len() as u64, vec![wrapper]));
}

/// What can be said in an envelope of ours: no blanks at the ends, no URI that is not ASCII, no language that is none.
fn plain(wrapper: &Wrapper) -> Wrapper {
    let trimmed = |text: &Option<String>| {
        let text = text.as_deref().map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty())
    };
    let ascii = |uri: &String| if uri.is_ascii() { uri.clone() } else { "sip:other@example.net".to_owned() };
    let party = |party: &Party| Party { name: trimmed(&party.name), uri: ascii(&party.uri) };
    let subject = trimmed(&wrapper.subject);
    let language = wrapper.language.clone().filter(|tag| tag.bytes().all(|octet| octet.is_ascii_alphanumeric()));
    Wrapper {
        from: wrapper.from.as_ref().map(party),
        to: wrapper.to.iter().map(party).collect(),
        cc: wrapper.cc.iter().map(party).collect(),
        sent: wrapper.sent.clone(),
        language: language.filter(|language| subject.is_some() && !language.is_empty()),
        subject,
        imdn: wrapper.imdn.as_ref().map(|imdn| Imdn {
            original_to: imdn.original_to.as_ref().map(ascii),
            record_route: imdn.record_route.iter().map(ascii).collect(),
            route: imdn.route.iter().map(ascii).collect(),
            ..imdn.clone()
        }),
    }
}
