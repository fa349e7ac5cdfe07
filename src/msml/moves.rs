//! `<transfer>` and `<fileop>` from the element tree, with the rules that lie between their attributes.

use std::time::Duration;

use super::document::{Item, Kind, Move, Primitive, Transfer};
use super::fault::Code;
use super::transfer::{FileWork, Origin, Place, Spot};
use super::value::Checker;
use super::vocabulary::{
    CONTENT, FILEOBJ, FILEOP, MESSAGEOBJ, TRANSFER, TRANSFEREXIT, TRANSFEROBJDONE, TRANSFEROBJSTART, TRANSFERSTART,
};
use super::work::{PlayFile, Record};
use super::xml::Element;

/// What a transfer says for all of its files.
#[derive(Clone, Copy, Default)]
struct Usual {
    retry: u32,
    wait: Duration,
    first_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
}

/// What is wrong with two ends, and what would be right.
type Misfit = (&'static str, &'static str);

const AN_OBJECT: &str = "the name of an object";

impl Checker {
    pub(super) fn transfer(&mut self, element: Element<'_>) -> Primitive {
        self.attributes(element, &TRANSFER);
        self.content(element, &TRANSFER);
        let usual = Usual {
            retry: Self::count(element).unwrap_or(0),
            wait: self.time(element, "delay").unwrap_or_default(),
            first_timeout: self.timer(element, "ftt").filter(|_| element.attribute("starttimer") != Some("false")),
            idle_timeout: self.timer(element, "itt"),
        };
        let (mut items, mut deeds, mut exit) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()], Vec::new());
        for child in element.children() {
            match child.own_name() {
                "fileobj" => items.extend(self.fileobj(child, usual)),
                "messageobj" => items.extend(self.messageobj(child, usual)),
                "transferstart" => deeds[0] = self.deeds(child, &TRANSFERSTART),
                "transferobjstart" => deeds[1] = self.deeds(child, &TRANSFEROBJSTART),
                "transferobjdone" => deeds[2] = self.deeds(child, &TRANSFEROBJDONE),
                "transferexit" => exit = self.deeds(child, &TRANSFEREXIT),
                _ => {}
            }
        }
        let suspended = element.attribute("initial") == Some("suspend");
        let transfer = Transfer { items, suspended, maxtime: self.time(element, "maxtime"), deeds };
        Primitive { id: Self::text(element, "id"), kind: Kind::Transfer(Box::new(transfer)), exit }
    }

    fn fileobj(&mut self, element: Element<'_>, usual: Usual) -> Option<Item> {
        self.leaf(element, &FILEOBJ);
        let wanted = FileWork {
            overwrite: Self::flag(element, "overwrite"),
            append: Self::flag(element, "append"),
            delete: Self::flag(element, "delete"),
            media_type: Self::text(element, "contenttype"),
            ..FileWork::default()
        };
        self.item(element, Self::spot(element, "src")?, wanted, usual)
    }

    /// Each of its texts is a message of its own.
    fn messageobj(&mut self, element: Element<'_>, usual: Usual) -> Vec<Item> {
        self.attributes(element, &MESSAGEOBJ);
        self.content(element, &MESSAGEOBJ);
        let media_type = Self::text(element, "contenttype");
        let has_texts = element.children().next().is_some();
        if element.attribute("src").is_some() == has_texts {
            let (code, what) = if has_texts {
                (Code::Ambiguous, "both src and <content>")
            } else {
                (Code::MissingContent, "neither src nor <content>")
            };
            self.fault(element, code, format!("<messageobj> has {what}"));
            return Vec::new();
        }
        if let Some(src) = Self::spot(element, "src") {
            let wanted = FileWork { media_type, ..FileWork::default() };
            return self.item(element, src, wanted, usual).into_iter().collect();
        }
        let mut items = Vec::new();
        for child in element.children().filter(|child| child.own_name() == "content") {
            self.text_leaf(child, &CONTENT);
            let own = Self::text(child, "contenttype").or_else(|| media_type.clone());
            let wanted = FileWork {
                media_type: own.or_else(|| Some("text/plain".to_owned())),
                disposition: Self::text(child, "contentdisposition"),
                ..FileWork::default()
            };
            let text = Spot::Text(child.text().unwrap_or_default().to_owned());
            items.extend(self.item(element, text, wanted, usual));
        }
        items
    }

    fn item(&mut self, element: Element<'_>, src: Spot, wanted: FileWork, usual: Usual) -> Option<Item> {
        let Usual { first_timeout, idle_timeout, .. } = usual;
        let dest = Self::spot(element, "dest")?;
        let what = self.between(element, src, Some(dest), FileWork { first_timeout, idle_timeout, ..wanted })?;
        Some(Item {
            id: Self::text(element, "objid"),
            what,
            retry: Self::count(element).unwrap_or(usual.retry),
            wait: self.time(element, "wait").unwrap_or(usual.wait),
        })
    }

    pub(super) fn fileop(&mut self, element: Element<'_>) -> Option<Primitive> {
        self.leaf(element, &FILEOP);
        let operation = element.attribute("operation")?;
        let dest = Self::spot(element, "dest").filter(|_| operation != "delete");
        match (operation, element.attribute("dest")) {
            ("convert", _) => {
                self.fault(element, Code::UnsupportedElement, "<fileop> cannot convert: files stay as they are");
                return None;
            }
            ("delete", Some(_)) => self.impossible(element, ("what is deleted goes nowhere", "no dest")),
            ("append" | "copy" | "move", None) => {
                self.missing(element, &FILEOP, "dest");
                return None;
            }
            _ => {}
        }
        let wanted = FileWork {
            overwrite: Self::flag(element, "overwrite"),
            append: operation == "append",
            delete: matches!(operation, "delete" | "move"),
            ..FileWork::default()
        };
        let what = self.between(element, Self::spot(element, "src")?, dest, wanted)?;
        if !matches!(what, Move::File(_)) {
            self.impossible(element, ("the peer has no part in it", "<transfer> for that"));
        }
        let item = Item { id: None, what, retry: 0, wait: Duration::ZERO };
        let deeds = [Vec::new(), Vec::new(), Vec::new()];
        let transfer = Transfer { items: vec![item], suspended: false, maxtime: None, deeds };
        Some(Primitive { id: Self::text(element, "id"), kind: Kind::Transfer(Box::new(transfer)), exit: Vec::new() })
    }

    fn spot(element: Element<'_>, name: &str) -> Option<Spot> {
        Spot::read(element.attribute(name)?)
    }

    fn count(element: Element<'_>) -> Option<u32> {
        element.attribute("retry")?.parse().ok()
    }

    /// What `src` and `dest` come to together.
    fn between(&mut self, element: Element<'_>, src: Spot, dest: Option<Spot>, wanted: FileWork) -> Option<Move> {
        match moves(src, dest, wanted) {
            Ok(moves) => Some(moves),
            Err(misfit) => {
                self.impossible(element, misfit);
                None
            }
        }
    }

    fn impossible(&mut self, element: Element<'_>, (why, expected): Misfit) {
        self.fault(element, Code::InvalidValue, format!("<{}>: {why}; expected {expected}", element.name()));
    }
}

fn moves(src: Spot, dest: Option<Spot>, wanted: FileWork) -> Result<Move, Misfit> {
    match (src, dest) {
        (Spot::Stream(_), Some(Spot::Place(Place::Object(dest)))) => receive(dest, wanted),
        (Spot::Stream(_), _) => Err(("what the peer sends goes into the spool", AN_OBJECT)),
        (Spot::Place(Place::Object(uri)), Some(Spot::Stream(name))) => send(uri, name, wanted),
        (_, Some(Spot::Stream(_))) => Err(("what goes to the peer lies in the spool", AN_OBJECT)),
        (Spot::Text(text), dest) => file(Origin::Text(text), dest, wanted),
        (Spot::Place(place), dest) => file(Origin::Place(place), dest, wanted),
    }
}

fn receive(dest: crate::model::ObjectUri, wanted: FileWork) -> Result<Move, Misfit> {
    if wanted.append {
        return Err((
            "a committed object never changes",
            "an object of its own, and then <fileop operation=\"append\">",
        ));
    }
    if wanted.delete {
        return Err(("only objects of the spool can be deleted", AN_OBJECT));
    }
    let FileWork { overwrite, first_timeout, idle_timeout, .. } = wanted;
    Ok(Move::Receive(Box::new(Record {
        dest: Some(dest),
        overwrite,
        first_timeout,
        idle_timeout,
        ..Record::default()
    })))
}

fn send(uri: crate::model::ObjectUri, name: Option<String>, wanted: FileWork) -> Result<Move, Misfit> {
    if wanted.append {
        return Err(("nothing can be put behind what the peer has", AN_OBJECT));
    }
    let FileWork { delete, media_type, .. } = wanted;
    Ok(Move::Send(Box::new(PlayFile { name, media_type, delete, ..PlayFile::new(uri) })))
}

fn file(src: Origin, dest: Option<Spot>, wanted: FileWork) -> Result<Move, Misfit> {
    let dest = match dest {
        Some(Spot::Place(place)) => Some(place),
        _ => None,
    };
    let from = match &src {
        Origin::Place(place) => Some(place),
        Origin::Text(_) => None,
    };
    if matches!((from, &dest), (Some(Place::Url(_)), Some(Place::Url(_)))) {
        return Err(("both src and dest are elsewhere", AN_OBJECT));
    }
    if wanted.delete && !matches!(from, Some(Place::Object(_))) {
        return Err(("only objects of the spool can be deleted", AN_OBJECT));
    }
    if wanted.append && !matches!(&dest, Some(Place::Object(uri)) if uri.name().is_some()) {
        return Err(("only to an object can be appended", AN_OBJECT));
    }
    if dest.is_some() && dest.as_ref() == from && (wanted.delete || !wanted.append) {
        return Err(("src and dest are the same", "another dest"));
    }
    Ok(Move::File(Box::new(FileWork { src, dest, ..wanted })))
}
