//! Names that the interpreter and its owner have for what they share.

/// The SIP dialog on which a request came, by its owner's key. Events caused by the request go back there (RFC 5707 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(pub u64);

/// One running primitive, named by the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimitiveKey(pub u64);

/// One script that is being fetched, named by the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchKey(pub u64);
