//! What holds for every MSRP stream, tried on many.

mod msrp;

use bytes::Bytes;
use msrp::{PHONE, STORE, Side, chunk, message, spec};
use proptest::collection::vec;
use proptest::prelude::*;
use restante::msrp::{Config, Input, OutboundKey, OutboundSpec, Output};

/// Everything a stream came to: events without the pieces of bodies, files, and what was said.
fn outcome(pieces: &[&[u8]]) -> (Vec<Output>, Vec<Vec<u8>>, String) {
    let mut store = Side::store();
    pieces.iter().for_each(|piece| store.hear(piece));
    let written = |event: &Output| !matches!(event, Output::Write { .. });
    let mut events: Vec<Output> = store.take_events().into_iter().filter(written).collect();
    // When a write is done depends on the owner, and with it what else has arrived by then.
    events.sort_by_key(|event| format!("{event:?}"));
    let said = store.said();
    (events, store.files.into_values().collect(), said)
}

/// Bodies made of what end-lines are made of.
fn hostile_octets() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"\r\n-------tidOne".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"-------".to_vec()),
        Just(b"$\r".to_vec()),
        Just(b"MSRP tidOne 200 OK\r\n".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// A message cut into chunks that cover it, in any order, some twice, some overlapping, one of them the last.
fn chunks(size: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let extra = vec((0..size, 1..40usize), 0..6);
    let cuts = vec(1..size, 0..8);
    (cuts, extra)
        .prop_map(move |(mut cuts, extra)| {
            cuts.extend([0, size]);
            cuts.sort_unstable();
            cuts.dedup();
            let mut chunks: Vec<(usize, usize)> = cuts.windows(2).map(|cut| (cut[0], cut[1])).collect();
            chunks.extend(extra.into_iter().map(|(start, length)| (start, size.min(start + length))));
            chunks
        })
        .prop_shuffle()
}

proptest! {
    // M4975-9-10
    #[test]
    fn every_split_of_a_stream_has_the_same_outcome(
        bodies in vec(hostile_octets(), 1..5),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut stream = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            let flag = ['$', '+', '#'][number % 3];
            stream.extend(chunk("tidTwo", &format!("m000{number}"), "1-*/*", "", body, flag));
        }
        let whole = outcome(&[&stream]);
        prop_assert_eq!(&whole.1, &bodies.into_iter().filter(|body| !body.is_empty()).collect::<Vec<_>>());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(outcome(&pieces), whole);
    }

    // R17 M4975-7.3.1-02 M4975-7.3.1-05 M4975-7.3.1-06 M4975-7.1.1-22
    #[test]
    fn chunks_in_any_order_twice_or_overlapping_are_one_file(
        chunks in (100usize..400).prop_flat_map(|size| (Just(size), chunks(size))),
        with_total in any::<bool>(),
    ) {
        let (size, chunks) = chunks;
        let file: Vec<u8> = (0..size).map(|n| n as u8).collect();
        let total = if with_total { size.to_string() } else { "*".to_owned() };
        let mut store = Side::store();
        for &(start, end) in &chunks {
            let flag = if end == size { '$' } else { '+' };
            let range = format!("{}-*/{total}", start + 1);
            store.hear(chunk("tidOne", "m0001", &range, "Success-Report: yes\r\n", &file[start..end], flag));
        }
        prop_assert_eq!(store.files.len(), 1);
        prop_assert_eq!(&store.files.values().next().expect("one file"), &&file);
        let completed = store.events.iter().filter(|event| matches!(event, Output::Complete { .. })).count();
        let said = store.said_in_short();
        prop_assert_eq!(completed, 1);
        prop_assert_eq!(said.iter().filter(|word| *word == "200").count(), chunks.len());
        prop_assert!(said.contains(&"REPORT".to_owned()));
    }

    // M4975-7.3.1-06
    #[test]
    fn where_chunks_overlap_the_later_wins_until_the_file_is_whole(
        starts in vec((0usize..90, 1usize..30), 1..12),
    ) {
        let (mut store, mut map) = (Side::store(), [0_u8; 121]);
        for (number, (start, length)) in starts.iter().enumerate() {
            let octets = vec![number as u8 + 1; *length];
            map[*start..start + length].copy_from_slice(&octets);
            store.hear(chunk("tidOne", "m0001", &format!("{}-*/*", start + 1), "", octets, '+'));
        }
        let file = store.files.values().next().expect("one file");
        prop_assert_eq!(&file[..], &map[..file.len()]);
        prop_assert!(map[file.len()..].iter().all(|octet| *octet == 0));
    }

    // M4975-7.1-16 M4975-7.1.1-16 M4975-7.1.1-21
    #[test]
    fn whatever_is_sent_is_received_with_any_chunks_pieces_and_socket(
        octets in vec(hostile_octets(), 1..400).prop_map(|parts| parts.concat()),
        chunk in prop_oneof![1usize..5000, Just(usize::MAX)],
        fetch_octets in 2048usize..9000,
        unsent_octets in 1usize..6000,
        report in any::<bool>(),
    ) {
        let config = Config { fetch_octets, unsent_octets, window_octets: 20_000, ..Config::default() };
        let (mut store, mut phone) = (Side::with(config, 3), Side::phone());
        store.give(Input::Bind(spec(STORE, PHONE)));
        store.source = Bytes::from(octets.clone());
        let total = octets.len() as u64;
        store.give(Input::Send(OutboundSpec { chunk, success_report: report, ..message(1, "m0001", total) }));
        msrp::converse(&mut store, &mut phone);
        prop_assert!(store.has_delivered(1));
        prop_assert_eq!(phone.files.into_values().next().unwrap_or_default(), octets);
        prop_assert_eq!(store.due(), None);
    }

    #[test]
    fn no_octets_and_no_order_of_inputs_make_a_connection_panic(
        steps in vec((0u8..14, 0usize..3, hostile_octets()), 0..40),
    ) {
        let mut store = Side::store();
        store.habits = msrp::Habits { grants: false, writes: false, commits: false, fetches: false, sends: false };
        for (step, number, octets) in steps {
            let (key, mine) = (restante::msrp::InboundKey(number as u64), OutboundKey(number as u64));
            let status = restante::msrp::StatusCode::STOP_SENDING;
            store.give(match step {
                0 => Input::Octets(octets.into()),
                1 => Input::Octets(chunk("tidOne", &format!("m000{number}"), "1-*/9", "", octets, '+').into()),
                2 => Input::Octets(chunk("tidOne", &format!("m000{number}"), "1-9/9", "", octets, '$').into()),
                3 => Input::Receive { message: key, resume: Default::default(), limit: 30 },
                4 => Input::Reject { message: key, status },
                5 => Input::Written { message: key, octets: octets.len() },
                6 => Input::Committed { message: key },
                7 => Input::Durable { message: key, octets: octets.len() as u64 },
                8 => Input::Send(message(number as u64, "m0009", octets.len() as u64)),
                9 => Input::Fetched { message: mine, offset: 0, octets: octets.into() },
                10 => Input::Abort { message: mine },
                11 => Input::Sent(octets.len() * 10),
                12 => Input::Bind(spec(STORE, PHONE)),
                _ => Input::Unbind(restante::msrp::SessionKey(1)),
            });
            let unsent = store.transmitted.len();
            prop_assert!(unsent < 1_000_000);
        }
    }
}
