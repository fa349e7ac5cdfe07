//! Every word of MSML that this server knows, in one table: requests are checked by it, and the manual is made of it.

mod elements;
mod files;
mod outcomes;
mod transfer;
mod unspoken;

pub use elements::*;
pub(in crate::msml) use files::file_word;
pub use files::{
    FILE_NAMESPACE, FT_ATTACH, FT_DELETE, FT_FILE, FT_FORWARD, FT_FORWARDEXIT, FT_LIST, FT_LISTRESULT, FT_MARK, FT_OBJ,
    FT_OBJECT, FT_ONCOMPLETE, FT_ONOBJECT, FT_ONPROGRESS, FT_ONSTART, FT_RECEIVE, FT_RECEIVEEXIT, FT_SEND, FT_SENDEXIT,
};
pub use outcomes::{NOTICES, OUTCOMES, Outcome, VARIABLES, Variable, is_outcome, is_variable};
pub use transfer::{
    CONTENT, FILEOBJ, FILEOP, MESSAGEOBJ, TRANSFER, TRANSFEREXIT, TRANSFEROBJDONE, TRANSFEROBJSTART, TRANSFERSTART,
};
pub use unspoken::UNSPOKEN;

pub use super::shape::Shape;

/// A package in the sense of RFC 5707 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// §7
    Core,
    /// §8
    Conference,
    /// §9.6
    DialogCore,
    /// §9.7
    DialogBase,
    /// §9.8
    Group,
    /// §9.9
    Transform,
    /// §9.10
    Speech,
    /// §9.11
    FaxDetection,
    /// §9.12
    Fax,
    /// §10
    Audit,
    /// Ours
    File,
    /// Not of the RFC: the elements by which the commercial server moves files.
    Transfer,
}

impl Package {
    /// The RFC's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "MSML Core",
            Self::Conference => "MSML Conference Core",
            Self::DialogCore => "MSML Dialog Core",
            Self::DialogBase => "MSML Dialog Base",
            Self::Group => "MSML Dialog Group",
            Self::Transform => "MSML Dialog Transform",
            Self::Speech => "MSML Dialog Speech",
            Self::FaxDetection => "MSML Dialog Fax Detection",
            Self::Fax => "MSML Dialog Fax Send/Receive",
            Self::Audit => "MSML Audit",
            Self::Transfer => "file transfer",
            Self::File => "Restante's package for files",
        }
    }
}

/// An element that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its name.
    pub name: &'static str,
    /// Its package.
    pub package: Package,
    /// Where it is defined.
    pub rule: &'static str,
    /// What it does here.
    pub meaning: &'static str,
    /// In the order of the RFC.
    pub attributes: &'static [Attribute],
    /// Whether it has to have any child.
    pub filled: Need,
    /// What may stand in it. The schemas want it in this order; a lenient server takes it in any.
    pub content: &'static [Slot],
}

/// One place in the content of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What may stand there.
    pub names: &'static [&'static str],
    /// Whether something has to.
    pub need: Need,
    /// Whether several may.
    pub many: bool,
    /// Whether nothing may follow.
    pub closes: bool,
}

/// An attribute of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, with its prefix.
    pub name: &'static str,
    /// Whether it has to be there.
    pub need: Need,
    /// What its value looks like.
    pub shape: Shape,
    /// What it does here; an empty text for what has no effect on a file.
    pub effect: &'static str,
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It has.
    Always,
    /// The RFC says so, clients in the field leave it out.
    Strict,
    /// It may be left out.
    Never,
}

impl Word {
    /// The attribute of this name.
    pub(in crate::msml) fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Everything that may stand in it.
    pub fn children(&self) -> impl Iterator<Item = &'static str> {
        self.content.iter().flat_map(|slot| slot.names.iter().copied())
    }
}

impl Attribute {
    /// Whether it is only known: a lenient server does not even look at the value.
    pub(in crate::msml) const fn is_inert(&self) -> bool {
        self.effect.is_empty()
    }
}

const fn attribute(name: &'static str, need: Need, shape: Shape, effect: &'static str) -> Attribute {
    Attribute { name, need, shape, effect }
}

const fn must(name: &'static str, shape: Shape, effect: &'static str) -> Attribute {
    attribute(name, Need::Always, shape, effect)
}

const fn should(name: &'static str, shape: Shape, effect: &'static str) -> Attribute {
    attribute(name, Need::Strict, shape, effect)
}

const fn may(name: &'static str, shape: Shape, effect: &'static str) -> Attribute {
    attribute(name, Need::Never, shape, effect)
}

const fn inert(name: &'static str, shape: Shape) -> Attribute {
    attribute(name, Need::Never, shape, "")
}

/// A single child, which need not be there.
const fn one(names: &'static [&'static str]) -> Slot {
    Slot { names, need: Need::Never, many: false, closes: false }
}

const fn some(need: Need, names: &'static [&'static str]) -> Slot {
    Slot { names, need, many: true, closes: false }
}

const fn last(names: &'static [&'static str]) -> Slot {
    Slot { names, need: Need::Never, many: false, closes: true }
}

/// All of them.
pub const WORDS: &[&Word] = &[
    &MSML,
    &SEND,
    &AUDIT,
    &DIALOGSTART,
    &DIALOGEND,
    &MOML,
    &INNER_SEND,
    &EXIT,
    &DISCONNECT,
    &PLAY,
    &AUDIO,
    &VIDEO,
    &MEDIA,
    &PLAYEXIT,
    &RECORD,
    &RECORDEXIT,
    &COLLECT,
    &DTMF,
    &PATTERN,
    &DETECT,
    &NOINPUT,
    &NOMATCH,
    &DTMFEXIT,
    &GROUP,
    &GROUPEXIT,
    &FT_LIST,
    &FT_DELETE,
    &FT_MARK,
    &FT_ATTACH,
    &TRANSFER,
    &FILEOBJ,
    &MESSAGEOBJ,
    &CONTENT,
    &TRANSFERSTART,
    &TRANSFEROBJSTART,
    &TRANSFEROBJDONE,
    &TRANSFEREXIT,
    &FILEOP,
    &FT_RECEIVE,
    &FT_SEND,
    &FT_FORWARD,
    &FT_OBJ,
    &FT_FILE,
    &FT_ONSTART,
    &FT_ONPROGRESS,
    &FT_ONOBJECT,
    &FT_ONCOMPLETE,
    &FT_RECEIVEEXIT,
    &FT_SENDEXIT,
    &FT_FORWARDEXIT,
    &RESULT,
    &DESCRIPTION,
    &DIALOGID,
    &AUDITRESULT,
    &FT_LISTRESULT,
    &FT_OBJECT,
    &EVENT,
    &NAME,
    &VALUE,
];

/// Whether we speak an element of this name.
pub(in crate::msml) fn is_spoken(name: &str) -> bool {
    WORDS.iter().any(|word| word.name == name)
}

/// Whether RFC 5707 has an element of this name that we do not speak.
pub(in crate::msml) fn is_unspoken(name: &str) -> bool {
    UNSPOKEN.iter().any(|(_, names)| names.contains(&name))
}

/// The rule for an element, as far as its name tells.
pub(in crate::msml) fn rule_of(name: &str) -> &'static str {
    WORDS.iter().find(|word| word.name == name).map_or(super::fault::WELL_FORMED, |word| word.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_once_and_its_children_are_words() {
        for (index, word) in WORDS.iter().enumerate() {
            let same = |other: &&Word| other.name == word.name && other.package == word.package;
            assert!(!WORDS[..index].iter().any(same), "{} stands twice", word.name);
            for child in word.children() {
                assert!(is_spoken(child), "<{}> has the unknown child {child}", word.name);
            }
            for (index, attribute) in word.attributes.iter().enumerate() {
                let twice = word.attributes[..index].iter().any(|other| other.name == attribute.name);
                assert!(!twice, "<{}> has {} twice", word.name, attribute.name);
                assert!(attribute.need == Need::Never || !attribute.is_inert(), "{} does nothing", attribute.name);
            }
            assert!(!is_unspoken(word.name) || word.package == Package::Audit, "<{}> is both", word.name);
        }
    }
}
