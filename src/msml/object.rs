//! Identifiers of RFC 5707 §6.2: `conn:X`, `conf:X`, and `conn:X/dialog:Y` with an optional inner target.

use std::fmt;

/// Octets of one instance name. RFC 5707 sets no bound; every event repeats the name, so we do.
pub(super) const INSTANCE_OCTETS: usize = 255;

/// RFC 5707 §16.1.2: `msmlInstanceID.datatype`, which leaves no room for the wildcard.
pub(super) fn is_instance(name: &str) -> bool {
    (1..=INSTANCE_OCTETS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte))
}

/// RFC 5707 §16.3.2: `momlID.datatype`; it is also the shape of events and targets inside a dialog.
pub(super) fn is_moml_name(name: &str) -> bool {
    name.len() <= INSTANCE_OCTETS
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// RFC 5707 §6.2: wildcards only where an element allows them; of those we speak, `<audit>` alone does.
    #[error("wildcards are not allowed here")]
    Wildcard,
    /// Neither `conn:NAME` nor `conf:NAME`, optionally with `/dialog:NAME`.
    #[error("expected conn:NAME or conn:NAME/dialog:NAME, names made of letters, digits and . : - _")]
    Shape,
}

/// The object at the root of an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A network connection: the server's tag of a SIP dialog.
    Connection(String),
    /// A conference. We have none, but have to recognise the name of one.
    Conference(String),
}

/// A whole identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// The independent object.
    pub root: Root,
    /// The dialog on it, if the identifier goes on.
    pub dialog: Option<String>,
    /// RFC 5707 §7.2: what follows the dialog, such as `record` or `group`.
    pub inner: Option<String>,
}

impl Identifier {
    /// Takes an identifier apart.
    ///
    /// # Errors
    /// [`ObjectError`] if it has a wildcard or another shape than RFC 5707 §6.2 gives.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        if text.contains('*') {
            return Err(ObjectError::Wildcard);
        }
        let mut terms = text.splitn(3, '/');
        let root = match terms.next().and_then(|term| term.split_once(':')) {
            Some(("conn", name)) if is_instance(name) => Root::Connection(name.to_owned()),
            Some(("conf", name)) if is_instance(name) => Root::Conference(name.to_owned()),
            _ => return Err(ObjectError::Shape),
        };
        let dialog = match terms.next().map(|term| term.strip_prefix("dialog:")) {
            None => None,
            Some(Some(name)) if is_instance(name) => Some(name.to_owned()),
            Some(_) => return Err(ObjectError::Shape),
        };
        let inner = match terms.next() {
            Some(inner) if !is_moml_name(inner) => return Err(ObjectError::Shape),
            inner => inner.map(ToOwned::to_owned),
        };
        Ok(Self { root, dialog, inner })
    }
}

/// RFC 5707 §10.1.1: whom an audit is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// One object.
    One(Root),
    /// `conn:*`
    Connections,
    /// `conf:*`
    Conferences,
}

impl Identifier {
    /// Reads a `queryid`.
    ///
    /// # Errors
    /// [`ObjectError`] if it is neither an independent object nor all of a class.
    pub fn parse_query(text: &str) -> Result<Query, ObjectError> {
        match text {
            "conn:*" => Ok(Query::Connections),
            "conf:*" => Ok(Query::Conferences),
            one => match Self::parse(one)? {
                Self { root, dialog: None, .. } => Ok(Query::One(root)),
                _ => Err(ObjectError::Shape),
            },
        }
    }
}

/// The identifier of a dialog on a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DialogId {
    /// The connection's name.
    pub(super) conn: String,
    /// The dialog's name on it.
    pub(super) name: String,
}

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn:{}/dialog:{}", self.conn, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ID-1, ID-3, ID-5
    #[test]
    fn an_identifier_names_a_connection_a_dialog_and_what_runs_in_it() {
        let whole = Identifier::parse("conn:a1.B-2_c:3/dialog:DIALOG:Play/record.first").expect("an identifier");
        assert_eq!(whole.root, Root::Connection("a1.B-2_c:3".to_owned()));
        assert_eq!(whole.dialog.as_deref(), Some("DIALOG:Play"));
        assert_eq!(whole.inner.as_deref(), Some("record.first"));
    }

    // ID-6, ID-7
    #[test]
    fn wildcards_and_odd_shapes_are_told_apart() {
        for wild in ["conn:*", "conn:a/dialog:*", "conf:*/dialog:1"] {
            assert_eq!(Identifier::parse(wild), Err(ObjectError::Wildcard), "{wild}");
        }
        let long = format!("conn:{}", "a".repeat(256));
        for odd in
            ["", "a", "conn:", "conn:a/", "conn:a/b", "conn:a/dialog:", "oper:a", "conn:a b", "conn:a/dialog:b/", &long]
        {
            assert_eq!(Identifier::parse(odd), Err(ObjectError::Shape), "{odd}");
        }
    }

    // ID-6, ID-7, A-1
    #[test]
    fn only_a_query_may_mean_all_of_a_class() {
        let alice = Root::Connection("alice".to_owned());
        assert_eq!(Identifier::parse_query("conn:alice"), Ok(Query::One(alice)));
        assert_eq!(Identifier::parse_query("conn:*"), Ok(Query::Connections));
        assert_eq!(Identifier::parse_query("conf:*"), Ok(Query::Conferences));
        for bad in ["*", "conn:a*", "conn:alice/dialog:*", "conn:alice/dialog:d", "dialog:*"] {
            assert!(Identifier::parse_query(bad).is_err(), "{bad}");
        }
    }
}
