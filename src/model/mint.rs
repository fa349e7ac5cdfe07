//! Identifiers from a seed: unguessable when the seed is, the same again when the seed is.

use sha2::{Digest as _, Sha256};

use super::Wall;

const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A stream of random octets: SHA-256 over a secret seed and a counter.
///
/// RFC 4975 §14.1 wants 80 random bits in a session id and RFC 3261 §19.3 wants 32 in a tag; a token of `n` letters
/// carries `5.95 n` bits, so 22 letters carry 130.
#[derive(Clone)]
pub struct Mint {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint(..)") // the seed would let a reader of logs guess session ids
    }
}

impl Mint {
    /// A mint for this seed. The seed is a secret in production and a number in a simulation.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    /// A mint from a small number, for simulations and tests.
    pub fn from_number(number: u64) -> Self {
        Self::new(Sha256::digest(number.to_be_bytes()).into())
    }

    /// An independent mint, so that one room's draws never shift another's.
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        seed.fill_with(|| self.octet());
        Self::new(seed)
    }

    /// The next random octet.
    pub fn octet(&mut self) -> u8 {
        if self.used == self.block.len() {
            let mut hash = Sha256::new();
            hash.update(self.seed);
            hash.update(self.counter.to_be_bytes());
            self.block = hash.finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next random number.
    pub fn number(&mut self) -> u64 {
        let mut octets = [0; 8];
        octets.fill_with(|| self.octet());
        u64::from_be_bytes(octets)
    }

    /// A token of `letters` letters and digits. RFC 4975 §9 would allow more, but `+ - . % =` confuse peers.
    pub fn token(&mut self, letters: usize) -> String {
        let mut token = String::with_capacity(letters);
        while token.len() < letters {
            // 248 = 4 * 62: a draw above it would favour the alphabet's first letters.
            let draw = self.octet();
            if draw < 248 {
                token.push(BASE62[usize::from(draw % 62)] as char);
            }
        }
        token
    }

    /// A ULID: 48 bits of milliseconds, 80 random bits, 26 characters that sort by time.
    pub fn ulid(&mut self, wall: Wall) -> String {
        let mut value = u128::from(wall.millis() & 0xFFFF_FFFF_FFFF) << 80;
        for shift in (0..10).map(|octet| octet * 8) {
            value |= u128::from(self.octet()) << shift;
        }
        (0..26).rev().map(|place| CROCKFORD[(value >> (place * 5)) as usize & 31] as char).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_tokens_and_a_fork_other_ones() {
        let (mut one, mut two) = (Mint::from_number(7), Mint::from_number(7));
        assert_eq!(one.token(22), two.token(22));
        assert_ne!(one.fork().token(22), two.token(22));
    }

    #[test]
    fn ulids_sort_by_time_and_have_26_characters() {
        let mut mint = Mint::from_number(1);
        let early = mint.ulid(Wall::from_micros(1_000_000));
        let late = mint.ulid(Wall::from_micros(2_000_000));
        assert_eq!(early.len(), 26);
        assert!(early < late);
    }
}
