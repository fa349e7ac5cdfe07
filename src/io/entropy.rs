//! The one place that asks the operating system for chance.

use std::io;

use crate::model::Mint;

/// A mint with a seed nobody can guess.
///
/// # Errors
/// The operating system has no random numbers to give: nothing may start then, because session ids are secrets
/// (RFC 4975 §14.1).
pub fn mint() -> io::Result<Mint> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Mint::new(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mints_share_no_token() {
        let token = || mint().expect("the system has random numbers").token(22);
        assert_ne!(token(), token());
    }
}
