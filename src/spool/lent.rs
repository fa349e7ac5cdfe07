//! Buffers for the parts of uploads, used again and again. A part is some megabytes: an allocator that gets and gives back
//! such pieces on many threads keeps a few of them for each.

use std::sync::{Arc, Mutex};

use super::locked::locked;

/// Buffers that are kept while nobody needs them: as many as threads upload, about.
const KEPT: usize = 4;

/// Where buffers are lent.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer of so many octets, whatever they are.
    pub(super) fn lend(&self, length: usize) -> Lent {
        let mut octets = locked(&self.0).pop().unwrap_or_default();
        octets.resize(length, 0);
        Lent { octets, home: self.clone() }
    }
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    octets: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl AsMut<[u8]> for Lent {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.octets
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = locked(&self.home.0);
        if kept.len() < KEPT {
            kept.push(std::mem::take(&mut self.octets));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_came_back_is_lent_again_in_the_length_that_is_wanted() {
        let buffers = Buffers::default();
        let first = buffers.lend(4000);
        let place = first.as_ref().as_ptr();
        drop(first);
        let again = buffers.lend(1000);
        assert_eq!((again.as_ref().as_ptr(), again.as_ref().len()), (place, 1000));
        assert_ne!(buffers.lend(1000).as_ref().as_ptr(), place, "it is lent once");
    }
}
