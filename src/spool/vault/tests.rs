//! The encrypted file against a plain map of octets, on a disk that tears what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use proptest::prelude::*;

use super::super::files::{File, read_exact_at};
use super::super::layout::Id;
use super::frame::{FRAME_OCTETS, STORED_FRAME_OCTETS};
use super::{DataKey, Keys, Vaulted, stored_octets, whole};
use crate::model::{Mint, Ranges, Wall};

/// A drive writes sectors whole.
const SECTOR_OCTETS: usize = 512;

#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Content>>);

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
}

impl Disk {
    /// What a power cut leaves: of every sector that was not synced the old or the new octets.
    fn torn(&self, mint: &mut Mint) -> Self {
        let content = self.content().clone();
        let mut live = content.live;
        let length = if mint.octet().is_multiple_of(2) { live.len() } else { content.durable.len() };
        live.resize(length, 0);
        for (number, sector) in live.chunks_mut(SECTOR_OCTETS).enumerate() {
            if mint.octet().is_multiple_of(2) {
                let old = content.durable.iter().skip(number * SECTOR_OCTETS).chain(std::iter::repeat(&0));
                sector.iter_mut().zip(old).for_each(|(octet, old)| *octet = *old);
            }
        }
        Self(Arc::new(Mutex::new(Content { durable: live.clone(), live })))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("nobody panicked")
    }

    fn octets(&self) -> Vec<u8> {
        self.content().live.clone()
    }

    fn damage(&self, at: usize, change: impl FnOnce(&mut u8)) {
        change(&mut self.content().live[at]);
    }
}

impl File for Disk {
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        let live = &mut self.content().live;
        let at = offset as usize;
        live.resize(live.len().max(at + octets.len()), 0);
        live[at..at + octets.len()].copy_from_slice(octets);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content();
        let rest = content.live.get(offset as usize..).unwrap_or_default();
        let octets = rest.len().min(buffer.len());
        buffer[..octets].copy_from_slice(&rest[..octets]);
        Ok(octets)
    }

    fn sync(&self) -> io::Result<()> {
        let content = &mut *self.content();
        content.durable.clone_from(&content.live);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content().live.len() as u64)
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn release(&self) -> io::Result<()> {
        Ok(())
    }
}

fn id() -> Id {
    Id::mint(&mut Mint::from_number(1), Wall::from_micros(1_795_000_000_000_000))
}

fn key() -> Arc<DataKey> {
    let keys = Keys::new([("one".to_owned(), [7; 32])]);
    Arc::new(keys.data_key(id(), &mut Mint::from_number(2)).expect("there is a master key"))
}

fn vaulted(disk: &Disk, key: &Arc<DataKey>, there: &Ranges, seed: u64) -> Vaulted {
    Vaulted::new(Box::new(disk.clone()), Arc::clone(key), there, Some(Mint::from_number(seed)))
}

fn read(file: &dyn File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; (end - start) as usize];
    read_exact_at(file, &mut octets, start).map(|()| octets)
}

/// Whole bodies of this many octets, on a disk.
fn body(octets: usize) -> (Disk, Arc<DataKey>, Vec<u8>) {
    let (disk, key) = (Disk::default(), key());
    let plain: Vec<u8> = (0..octets).map(at).collect();
    let file = vaulted(&disk, &key, &Ranges::new(), 3);
    file.write_at(&plain, 0).and_then(|()| file.sync()).expect("octets");
    (disk, key, plain)
}

/// The octet at a place: the same whoever brings it.
fn at(place: usize) -> u8 {
    (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

fn all(octets: usize) -> Ranges {
    let mut all = Ranges::new();
    all.insert(0, octets as u64, 1).expect("one piece");
    all
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize),
    Sync,
    Read(u64, usize),
    Crash,
}

const TOTAL: u64 = 4 * FRAME_OCTETS + 777;

fn piece() -> impl Strategy<Value = (u64, usize)> {
    let near = (0..5u64, -40i64..40).prop_map(|(frame, by)| (frame * FRAME_OCTETS).saturating_add_signed(by));
    let start = prop_oneof![0..TOTAL, near];
    let length = prop_oneof![1usize..100, 1usize..200_000, Just(FRAME_OCTETS as usize)];
    (start, length).prop_map(|(start, length)| {
        let start = start.min(TOTAL - 1);
        (start, length.min((TOTAL - start) as usize))
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => piece().prop_map(|(start, length)| Step::Write(start, length)),
        2 => Just(Step::Sync),
        3 => piece().prop_map(|(start, length)| Step::Read(start, length)),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_synced_in_whole_frames_survives_every_crash_and_nothing_else_is_claimed(steps in steps(), seed in any::<u64>()) {
        let (mut disk, key, mut chance) = (Disk::default(), key(), Mint::from_number(seed));
        let mut file = vaulted(&disk, &key, &Ranges::new(), seed);
        let (mut received, mut durable) = (Ranges::new(), Ranges::new());
        for step in steps {
            match step {
                Step::Write(start, length) => {
                    let octets: Vec<u8> = (start as usize..start as usize + length).map(at).collect();
                    file.write_at(&octets, start).expect("a write");
                    received.insert(start, start + length as u64, usize::MAX).expect("no limit");
                }
                Step::Sync => {
                    file.sync().expect("a sync");
                    durable = whole(&received, Some(TOTAL));
                }
                Step::Read(start, length) => {
                    let end = start + length as u64;
                    if received.contains(start, end) {
                        let expected: Vec<u8> = (start as usize..end as usize).map(at).collect();
                        prop_assert!(read(&file, start, end).expect("octets") == expected, "{start}..{end}");
                    }
                }
                Step::Crash => {
                    disk = disk.torn(&mut chance);
                    file = vaulted(&disk, &key, &durable, chance.number());
                    received = durable.clone();
                }
            }
        }
        file.write_at(&(0..TOTAL as usize).map(at).collect::<Vec<_>>(), 0).expect("the whole file once more");
        file.sync().expect("a sync");
        prop_assert_eq!((file.size().expect("a length"), disk.octets().len() as u64), (TOTAL, stored_octets(TOTAL)));
        let reader = Vaulted::new(Box::new(disk), key, &all(TOTAL as usize), None);
        prop_assert!(read(&reader, 0, TOTAL).expect("octets") == (0..TOTAL as usize).map(at).collect::<Vec<_>>());
    }

    #[test]
    fn any_writes_and_reads_are_those_of_a_map_of_octets(writes in prop::collection::vec((piece(), any::<u8>(), any::<bool>()), 1..24)) {
        let (disk, key) = (Disk::default(), key());
        let mut file = vaulted(&disk, &key, &Ranges::new(), 5);
        let (mut map, mut received) = (Vec::new(), Ranges::new());
        for ((start, length), fill, is_parked) in writes {
            let at = start as usize;
            map.resize(map.len().max(at + length), 0);
            map[at..at + length].fill(fill);
            file.write_at(&vec![fill; length], start).expect("a write");
            received.insert(start, start + length as u64, usize::MAX).expect("no limit");
            if is_parked {
                file.release().expect("what is in hand is written");
                file = vaulted(&disk, &key, &received, u64::from(fill) + start);
            }
            prop_assert_eq!(file.size().expect("a length"), map.len() as u64);
            prop_assert!(read(&file, 0, map.len() as u64).expect("octets") == map);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed_by_who_reads_there(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (disk, key, plain) = body(2 * FRAME_OCTETS as usize + 100);
        let place = place.index(disk.octets().len());
        disk.damage(place, |octet| *octet ^= 1 << bit);
        let reader = Vaulted::new(Box::new(disk), key, &all(plain.len()), None);
        let frame = place as u64 / STORED_FRAME_OCTETS;
        for number in 0..3 {
            let end = (plain.len() as u64).min((number + 1) * FRAME_OCTETS);
            let got = read(&reader, number * FRAME_OCTETS, end);
            if number == frame {
                prop_assert_eq!(got.expect_err("damage").kind(), io::ErrorKind::InvalidData);
            } else {
                prop_assert!(got.expect("octets") == plain[(number * FRAME_OCTETS) as usize..end as usize]);
            }
        }
    }
}

#[test]
fn a_frame_at_another_place_and_a_body_that_lacks_its_end_are_noticed() {
    let (disk, key, plain) = body(2 * FRAME_OCTETS as usize);
    let stored = disk.octets();
    let (first, second) = stored.split_at(STORED_FRAME_OCTETS as usize);
    let reader = |octets: &[u8], length| {
        let disk = Disk(Arc::new(Mutex::new(Content { live: octets.to_vec(), durable: Vec::new() })));
        read(&Vaulted::new(Box::new(disk), Arc::clone(&key), &all(length), None), 0, length as u64)
    };
    assert!(reader(&stored, plain.len()).expect("octets") == plain);
    for octets in [[second, first].concat(), [first, first].concat()] {
        assert_eq!(reader(&octets, plain.len()).expect_err("swapped").kind(), io::ErrorKind::InvalidData);
    }
    assert_eq!(reader(first, plain.len()).expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_frames_of_another_body_are_noticed_under_the_same_master_key() {
    let (disk, _, plain) = body(100);
    let keys = Keys::new([("one".to_owned(), [7; 32])]);
    let other = Id::mint(&mut Mint::from_number(9), Wall::from_micros(1));
    let ours = keys.data_key(id(), &mut Mint::from_number(2)).expect("a key");
    assert!(keys.unwrap(other, &ours.wrapped).is_err(), "a wrapped key is for its own body");
    let theirs = Arc::new(keys.data_key(other, &mut Mint::from_number(2)).expect("the same octets, another body"));
    let reader = Vaulted::new(Box::new(disk), theirs, &all(plain.len()), None);
    assert_eq!(read(&reader, 0, 100).expect_err("foreign").kind(), io::ErrorKind::InvalidData);
}

#[test]
fn nothing_is_sealed_twice_with_one_nonce_and_what_comes_again_is_not_sealed_again() {
    let (disk, key) = (Disk::default(), key());
    let file = vaulted(&disk, &key, &Ranges::new(), 3);
    let frame = |fill: u8| vec![fill; FRAME_OCTETS as usize];
    let mut nonces = std::collections::BTreeSet::new();
    for fill in 0..4 {
        file.write_at(&frame(fill), 0).expect("a frame");
        let stored = disk.octets();
        assert!(nonces.insert(stored[..12].to_vec()), "a nonce of its own");
        file.write_at(&frame(fill), 0).expect("the frame again");
        assert!(disk.octets() == stored, "the same octets leave the frame alone");
    }
}
