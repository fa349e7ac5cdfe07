//! An object on its way out, hashed as it is read: a damaged body is found out before its last octets are sent.

use sha2::{Digest as _, Sha256};

use crate::spool::{Body, Committed, Spool, SpoolError};

pub(super) struct Reader {
    body: Body,
    object: Committed,
    hash: Sha256,
    /// Octets hashed, from the first on.
    hashed: u64,
}

impl Reader {
    /// # Errors
    /// Those of [`Spool::read`].
    pub(super) fn open(spool: &Spool, object: Committed) -> Result<Self, SpoolError> {
        Ok(Self { body: spool.read(&object)?, object, hash: Sha256::new(), hashed: 0 })
    }

    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let length = self.body.read_at(offset, buffer).map_err(|error| error.to_string())?;
        if offset == self.hashed {
            self.hash.update(&buffer[..length]);
            self.hashed += length as u64;
        }
        let whole = length > 0 && self.hashed == self.body.size();
        let sound = || self.hash.clone().finalize().as_slice() == self.object.envelope().sha256().octets();
        if whole && !sound() {
            Err("the body does not have the digest its envelope says".to_owned())
        } else {
            Ok(length)
        }
    }

    /// What cannot be read, or reads wrong, is looked at as a whole; if it is damaged the spool sets it aside.
    pub(super) fn distrust(&self, spool: &Spool, why: &str) {
        let id = &self.object.envelope().id;
        let check = spool.verify(id);
        tracing::error!(object = %id, why, ?check, "cannot send the object");
    }
}
