//! A small self-describing text with its own checksum: the form of every envelope, state and journal entry.

use sha2::{Digest as _, Sha256};

/// What a record is about; the second word of its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object's envelope.
    Envelope,
    /// What has become of an object.
    State,
    /// Why a stage exists.
    Plan,
    /// Which octets of a stage are durable.
    Ranges,
    /// An upload of a body in parts that was begun.
    Upload,
    /// A part of it that the bucket has.
    Part,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::State => "state",
            Self::Plan => "plan",
            Self::Ranges => "ranges",
            Self::Upload => "upload",
            Self::Part => "part",
        }
    }
}

/// The version of every record this code writes, but for envelopes of files that lie behind a wrapper.
pub(super) const VERSION: u32 = 1;

/// Their version: whoever does not know that the file begins later must not take the body for the file.
pub(super) const WRAPPED: u32 = 2;

/// The version of records whose body is encrypted: whoever has no keys must not take the octets for the file.
pub(super) const ENCRYPTED: u32 = 3;

/// The version of states of objects that are there: they are held, marked or on their way out.
pub(super) const STANDING: u32 = 2;

/// The version of those that are being forwarded, too: a release that does not know it must not forget to whom.
pub(super) const DELIVERING: u32 = 3;

/// Why octets are not a record one may trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Torn, damaged, or something else altogether.
    Damaged,
    /// Sound, and written by a later version: not ours to judge.
    Newer,
}

/// `restante KIND VERSION LENGTH SHA256\n`, then `LENGTH` octets of JSON. The checksum is over `KIND VERSION LENGTH\n`
/// and the JSON, so a flipped bit anywhere shows.
pub(super) fn encode(kind: Kind, json: &[u8]) -> Vec<u8> {
    encode_as(VERSION, kind, json)
}

/// The same in another version.
pub(super) fn encode_as(version: u32, kind: Kind, json: &[u8]) -> Vec<u8> {
    let head = format!("{} {version} {}", kind.word(), json.len() + 1);
    let mut body = json.to_vec();
    body.push(b'\n');
    let mut record = format!("restante {head} {}\n", checksum(&head, &body)).into_bytes();
    record.append(&mut body);
    record
}

/// The JSON of a record that is whole and ours. What follows the record is ignored.
pub(super) fn decode(kind: Kind, octets: &[u8]) -> Result<&[u8], Unreadable> {
    decode_first(kind, octets).map(|(json, _)| json)
}

/// As [`decode`], with what follows the record.
pub(super) fn decode_first(kind: Kind, octets: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let (head, rest) = first_line(octets).ok_or(Unreadable::Damaged)?;
    let (facts, sum) = head.rsplit_once(' ').ok_or(Unreadable::Damaged)?;
    let facts = facts.strip_prefix("restante ").ok_or(Unreadable::Damaged)?;
    let mut words = facts.split(' ');
    let (Some(word), Some(version), Some(length), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Unreadable::Damaged);
    };
    let parts = length.parse().ok().and_then(|length: usize| rest.split_at_checked(length));
    let (json, rest) = parts.ok_or(Unreadable::Damaged)?;
    if checksum(facts, json) != sum || word != kind.word() {
        return Err(Unreadable::Damaged);
    }
    match version.parse::<u32>() {
        Ok(VERSION) => Ok((json, rest)),
        Ok(WRAPPED | ENCRYPTED) if kind == Kind::Envelope => Ok((json, rest)),
        Ok(ENCRYPTED) if kind == Kind::Plan => Ok((json, rest)),
        Ok(STANDING | DELIVERING) if kind == Kind::State => Ok((json, rest)),
        Ok(_) => Err(Unreadable::Newer),
        Err(_) => Err(Unreadable::Damaged),
    }
}

/// The first half of the checksum's first half: what names a record whose content has to be told from its name.
pub(super) fn sum(record: &[u8]) -> Option<u64> {
    let (head, _) = first_line(record)?;
    let (_, sum) = head.rsplit_once(' ')?;
    u64::from_str_radix(sum.get(..16)?, 16).ok()
}

fn first_line(octets: &[u8]) -> Option<(&str, &[u8])> {
    let end = octets.iter().take(256).position(|octet| *octet == b'\n')?;
    Some((str::from_utf8(&octets[..end]).ok()?, &octets[end + 1..]))
}

fn checksum(head: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(head);
    hash.update(b"\n");
    hash.update(body);
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sound_record_of_a_later_version_is_newer_and_not_damaged() {
        let head = "envelope 4 3";
        let record = format!("restante {head} {}\n{{}}\n", checksum(head, b"{}\n"));
        assert_eq!(decode(Kind::Envelope, record.as_bytes()), Err(Unreadable::Newer));
        assert_eq!(decode(Kind::State, record.as_bytes()), Err(Unreadable::Damaged));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_or_a_missing_tail_is_always_noticed(json in "[ -~]{0,60}", at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let record = encode(Kind::Envelope, json.as_bytes());
            let mut line = json.clone().into_bytes();
            line.push(b'\n');
            prop_assert_eq!(decode(Kind::Envelope, &record), Ok(line.as_slice()));
            let at = at.index(record.len());
            prop_assert_eq!(decode(Kind::Envelope, &record[..at]), Err(Unreadable::Damaged));
            let mut flipped = record;
            flipped[at] ^= 1 << bit;
            prop_assert_eq!(decode(Kind::Envelope, &flipped), Err(Unreadable::Damaged));
        }
    }
}
