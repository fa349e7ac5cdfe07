//! Whose a header name is (RFC 3862 §3.4).

use super::error::CpimError;

/// The headers of RFC 3862 itself, and the default until an envelope says otherwise.
pub(super) const CPIM: &str = "urn:ietf:params:cpim-headers:";

/// The headers of disposition notifications (RFC 5438 §6.1).
pub(super) const IMDN: &str = "urn:ietf:params:imdn";

/// The declarations in force at one line of an envelope.
pub(super) struct Namespaces<'a> {
    default: &'a str,
    prefixes: Vec<(&'a str, &'a str)>,
}

impl<'a> Namespaces<'a> {
    pub(super) const fn new() -> Self {
        Self { default: CPIM, prefixes: Vec::new() }
    }

    /// Takes the value of an `NS` header: a later one of the same prefix wins.
    ///
    /// # Errors
    /// [`CpimError::BadNamespace`].
    pub(super) fn declare(&mut self, value: &'a str) -> Result<(), CpimError> {
        let (prefix, uri) = value.split_once('<').ok_or(CpimError::BadNamespace)?;
        let uri = uri.trim_end().strip_suffix('>').filter(|uri| is_absolute(uri)).ok_or(CpimError::BadNamespace)?;
        match prefix.trim_end() {
            "" => self.default = uri,
            prefix if is_name(prefix) => {
                self.prefixes.retain(|(known, _)| *known != prefix);
                self.prefixes.push((prefix, uri));
            }
            _ => return Err(CpimError::BadNamespace),
        }
        Ok(())
    }

    /// The name without its prefix, if it is one of RFC 3862's headers. `NS` and `Require` without a prefix always are:
    /// they are the frame that the others hang in.
    pub(super) fn core(&self, name: &'a str) -> Option<&'a str> {
        let Some((prefix, local)) = name.split_once('.') else {
            return (self.default == CPIM || matches!(name, "NS" | "Require")).then_some(name);
        };
        self.is(prefix, CPIM).then_some(local)
    }

    /// The name without its prefix, if it is one of RFC 5438's headers.
    pub(super) fn imdn(&self, name: &'a str) -> Option<&'a str> {
        match name.split_once('.') {
            Some((prefix, local)) => self.is(prefix, IMDN).then_some(local),
            None => (self.default == IMDN).then_some(name),
        }
    }

    fn is(&self, prefix: &str, uri: &str) -> bool {
        self.prefixes.iter().any(|(known, named)| *known == prefix && *named == uri)
    }
}

/// RFC 3862 §3.6: letters of a header name. A dot separates it from its prefix.
pub(super) fn is_name(name: &str) -> bool {
    let separator = |octet: u8| b"()<>@,;:\\\"/[]?={}.".contains(&octet);
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && !separator(octet))
}

/// RFC 3986 §4.3: a scheme, and no fragment.
pub(super) fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let letter = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    let scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(letter);
    let clean = |octet: u8| octet > b' ' && octet != 0x7f && !b"<>\"\\#".contains(&octet);
    scheme && !rest.is_empty() && rest.bytes().all(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    // M3862-3.4-02 M3862-3.4-03 M4975-13-11
    #[test]
    fn a_prefix_means_what_it_was_declared_as_and_nothing_before_that() {
        let mut spaces = Namespaces::new();
        assert_eq!((spaces.core("From"), spaces.core("x.From")), (Some("From"), None));
        spaces.declare("x <urn:ietf:params:cpim-headers:>").expect("a declaration");
        assert_eq!((spaces.core("From"), spaces.core("x.From")), (Some("From"), Some("From")));
        spaces.declare("x <urn:ietf:params:imdn>").expect("a declaration");
        spaces.declare("<urn:example:own>").expect("a declaration");
        assert_eq!((spaces.core("From"), spaces.core("x.From")), (None, None));
        assert_eq!((spaces.core("NS"), spaces.core("Require")), (Some("NS"), Some("Require")));
    }

    // M3862-3.4-01
    #[test]
    fn a_namespace_is_an_absolute_uri() {
        for bad in
            ["x", "x <>", "x <own>", "x </own>", "x <urn:a#b>", "x <urn:a b>", "x y <urn:a>", "x.y <urn:a>", "x <urn:a"]
        {
            assert_eq!(Namespaces::new().declare(bad), Err(CpimError::BadNamespace), "{bad}");
        }
    }
}
