//! Master keys, read from where the settings say they are.

use std::fs;

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::config::{KeyPlace, KeySource};
use crate::spool::{KEY_OCTETS, Keys};

/// Reads the keys, the one for new bodies first.
///
/// # Errors
/// Which key can't be read, and why. What was read is in no message.
pub fn read(sources: &[KeySource]) -> Result<Keys, String> {
    let read = |source: &KeySource| {
        let octets = octets(&source.place).map_err(|why| format!("spool.keys {source}: {why}"))?;
        Ok((source.name.clone(), octets))
    };
    sources.iter().map(read).collect::<Result<Vec<_>, String>>().map(Keys::new)
}

fn octets(place: &KeyPlace) -> Result<[u8; KEY_OCTETS], String> {
    let text = match place {
        KeyPlace::File(path) => fs::read_to_string(path).map_err(|error| error.to_string())?,
        KeyPlace::Variable(name) => std::env::var(name).map_err(|_| "the variable is not set".to_owned())?,
    };
    let line = text.lines().next().unwrap_or_default().trim();
    let octets = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok().and_then(|octets| octets.try_into().ok());
    octets
        .ok_or_else(|| "the first line is not a key: 64 hexadecimal digits, as `openssl rand -hex 32` makes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> KeySource {
        text.parse().expect("a key's place")
    }

    #[test]
    fn a_key_is_the_first_line_of_its_file_and_a_fault_does_not_show_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let place = source(&format!("one:{}", path.display()));
        let secret = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        fs::write(&path, format!("{secret}\nmade on a Monday\n")).expect("a file");
        let keys = read(std::slice::from_ref(&place)).expect("a key");
        assert_eq!((keys.current(), format!("{keys:?}")), (Some("one"), "[\"one\"]".to_owned()));
        fs::write(&path, &secret[1..]).expect("a file");
        let why = read(&[place]).expect_err("63 digits");
        assert!(why.contains("64 hexadecimal digits") && !why.contains(&secret[1..9]), "{why}");
        let why = read(&[source("two:$RESTANTE_TEST_NO_SUCH_KEY")]).expect_err("no variable");
        assert_eq!(why, "spool.keys two:$RESTANTE_TEST_NO_SUCH_KEY: the variable is not set");
    }
}
