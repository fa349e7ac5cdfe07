//! How an encrypted body lies on the disk: frames of one length, the last one perhaps shorter.

use crate::model::Ranges;

use super::keys::SEAL_OCTETS;

/// Octets of the body in a frame. A transfer has one or two of them in memory; 0.04 % of the disk go to nonces and tags.
pub(super) const FRAME_OCTETS: u64 = 64 * 1024;

/// Octets of the disk that a whole frame takes.
pub(super) const STORED_FRAME_OCTETS: u64 = FRAME_OCTETS + SEAL_OCTETS as u64;

/// Length on the disk of an encrypted body of so many octets.
pub(in super::super) const fn stored_octets(octets: u64) -> u64 {
    let sealed = match octets % FRAME_OCTETS {
        0 => 0,
        rest => rest + SEAL_OCTETS as u64,
    };
    (octets / FRAME_OCTETS).saturating_mul(STORED_FRAME_OCTETS).saturating_add(sealed)
}

/// Length of the body in a file of so many octets; a torn last frame counts as if it had begun.
pub(super) const fn octets_in(stored: u64) -> u64 {
    let rest = stored % STORED_FRAME_OCTETS;
    let begun = match rest.saturating_sub(SEAL_OCTETS as u64) {
        0 if rest > 0 => 1,
        octets => octets,
    };
    (stored / STORED_FRAME_OCTETS) * FRAME_OCTETS + begun
}

/// Of these octets those in frames that are complete. Such a frame is not written again, so no crash can tear it.
pub(in super::super) fn whole(received: &Ranges, declared: Option<u64>) -> Ranges {
    let mut whole = Ranges::new();
    for (start, end) in received.pieces() {
        let start = start.div_ceil(FRAME_OCTETS).saturating_mul(FRAME_OCTETS);
        let end = if declared == Some(*end) { *end } else { end - end % FRAME_OCTETS };
        let fits = whole.insert(start, end, usize::MAX);
        fits.expect("there are no more pieces than before");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_frames_that_are_complete_are_claimed_and_the_declared_end_completes_the_last_one() {
        let mut received = Ranges::new();
        for (start, end) in [(0, FRAME_OCTETS + 1), (2 * FRAME_OCTETS - 1, 3 * FRAME_OCTETS + 7)] {
            received.insert(start, end, 8).expect("two pieces");
        }
        let one = FRAME_OCTETS;
        assert_eq!(whole(&received, None).pieces(), [(0, one), (2 * one, 3 * one)]);
        assert_eq!(whole(&received, Some(3 * one + 7)).pieces(), [(0, one), (2 * one, 3 * one + 7)]);
        assert_eq!(whole(&received, Some(3 * one + 8)).pieces(), [(0, one), (2 * one, 3 * one)]);
    }

    proptest! {
        #[test]
        fn the_length_on_the_disk_gives_the_length_of_the_body(octets in 0u64..1 << 40) {
            prop_assert_eq!(octets_in(stored_octets(octets)), octets);
        }
    }
}
