//! The primitives of our package for files, `<ft:receive>`, `<ft:send>` and `<ft:forward>`, from the element tree.

use std::time::Duration;

use crate::model::limits::TELL_EVERY_OCTETS;

use super::ask::Ask;
use super::document::{Deed, Kind, Primitive};
use super::fault::Code;
use super::status::{Every, Told};
use super::value::Checker;
use super::vocabulary::{
    FT_ATTACH, FT_DELETE, FT_FILE, FT_FORWARD, FT_FORWARDEXIT, FT_LIST, FT_MARK, FT_OBJ, FT_ONCOMPLETE, FT_ONOBJECT,
    FT_ONPROGRESS, FT_ONSTART, FT_RECEIVE, FT_RECEIVEEXIT, FT_SEND, FT_SENDEXIT,
};
use super::work::{Forward, Job, Play, PlayFile, Record};
use super::xml::{Attribute, Element};

/// Objects in a list, if the client names no number.
const LISTED: usize = 50;

/// Between two attempts, if the script names no time.
const RETRY_DELAY: Duration = Duration::from_secs(5);

impl Checker {
    pub(super) fn receive(&mut self, element: Element<'_>) -> Primitive {
        self.attributes(element, &FT_RECEIVE);
        self.content(element, &FT_RECEIVE);
        if Self::flag(element, "append") {
            let message = "append=\"true\": a committed object never changes";
            self.fault(element, Code::UnsupportedAttribute, message);
        }
        let (told, exit) = self.requests(element);
        let types = element.attribute("types").unwrap_or_default();
        let record = Record {
            dest: Self::uri(element, "dest"),
            first_timeout: self.timer(element, "firsttimeout"),
            idle_timeout: self.timer(element, "idletimeout"),
            overwrite: Self::flag(element, "overwrite"),
            max_size: Self::octets(element, "max-size"),
            types: types.split_ascii_whitespace().map(str::to_owned).collect(),
            needs_digest: element.attribute("verify") == Some("required"),
            afresh: element.attribute("resume") == Some("false"),
            reports_whole: element.attribute("report") == Some("whole"),
            expires: self.time(element, "expires"),
            watched: watched(told),
            ..Record::default()
        };
        let kind = Kind::Receive { record: Box::new(record), maxtime: self.time(element, "maxtime"), told };
        Primitive { id: Self::text(element, "id"), kind, exit }
    }

    pub(super) fn send_files(&mut self, element: Element<'_>) -> Primitive {
        self.attributes(element, &FT_SEND);
        self.content(element, &FT_SEND);
        let (told, exit) = self.requests(element);
        let objects = element.children().filter(|child| child.own_name() == FT_OBJ.name);
        let files = objects.filter_map(|object| self.object(object)).collect();
        let play = Play {
            unreported: element.attribute("report") == Some("none"),
            retry: element.attribute("retry").and_then(|retry| retry.parse().ok()).unwrap_or(0),
            delay: self.time(element, "delay").unwrap_or(RETRY_DELAY),
            watched: watched(told),
            ..Play::new(files, false)
        };
        Primitive { id: Self::text(element, "id"), kind: Kind::Send { play, told }, exit }
    }

    pub(super) fn forward(&mut self, element: Element<'_>) -> Option<Primitive> {
        self.attributes(element, &FT_FORWARD);
        self.content(element, &FT_FORWARD);
        let (told, exit) = self.requests(element);
        let mut objects = element.children().filter(|child| child.own_name() == FT_OBJ.name);
        let object = objects.next()?;
        let file = self.object(object)?;
        if let Some(second) = objects.next() {
            self.fault(
                second,
                Code::ForbiddenContent,
                "<ft:forward> brings one file: a second one is a job of its own",
            );
        }
        let of_file =
            |given: &Attribute<'_>| given.plain && given.name != "uri" && FT_OBJ.attribute(given.name).is_some();
        let pair = |given: Attribute<'_>| (given.name.to_owned(), given.value.to_string());
        let by_client = element.attribute("mode") == Some("as");
        let unmet = ["range", "icon"].into_iter().find(|name| !by_client && object.attribute(name).is_some());
        if let Some(name) = unmet {
            let message =
                format!("{name} is for mode=\"as\": a call of the server's brings the whole object as it is stored");
            self.fault(object, Code::UnsupportedAttribute, message);
        }
        let job = Job {
            to: Self::text(element, "to")?,
            by_client,
            after: self.time(element, "after").unwrap_or_default(),
            attempts: element.attribute("attempts").and_then(|attempts| attempts.parse().ok()),
            backoff: self.time(element, "backoff"),
            expires: self.time(element, "expires"),
            // What is deleted then has nobody else: no 200 is enough for that.
            unreported: element.attribute("report") == Some("none") && !file.delete,
            notify: Self::text(element, "notify"),
            file,
            told: object.attributes().filter(of_file).map(pair).collect(),
        };
        let kind = Kind::Forward { forward: Forward::New(Box::new(job)), told };
        Some(Primitive { id: Self::text(element, "id"), kind, exit })
    }

    /// A command for the spool.
    pub(super) fn ask(&mut self, element: Element<'_>) -> Option<Ask> {
        let word =
            [&FT_LIST, &FT_DELETE, &FT_MARK, &FT_ATTACH].into_iter().find(|word| word.name == element.own_name())?;
        self.leaf(element, word);
        let (uri, state) = (Self::uri(element, "uri"), Self::text(element, "state"));
        match word.name {
            "ft:list" => {
                let most = element.attribute("max").and_then(|most| most.parse().ok()).unwrap_or(LISTED);
                Some(Ask::List { mailbox: Self::text(element, "box")?, state, most })
            }
            "ft:mark" => Some(Ask::Mark(uri?, state?)),
            "ft:attach" => Self::text(element, "job").map(Ask::Attach),
            _ => uri.map(Ask::Delete),
        }
    }

    /// `<ft:file>` in a `<play>`.
    pub(super) fn plain_file(&mut self, element: Element<'_>) -> Option<PlayFile> {
        self.leaf(element, &FT_FILE);
        Self::uri(element, "uri").map(PlayFile::new)
    }

    fn object(&mut self, element: Element<'_>) -> Option<PlayFile> {
        self.leaf(element, &FT_OBJ);
        Some(PlayFile::told(Self::uri(element, "uri")?, |name| element.attribute(name)))
    }

    /// Status requests, and what runs at the end.
    fn requests(&mut self, element: Element<'_>) -> (Told, Vec<Deed>) {
        let (mut told, mut exit) = (Told::default(), Vec::new());
        for child in element.children() {
            match child.own_name() {
                "ft:onstart" => {
                    self.leaf(child, &FT_ONSTART);
                    told.start = true;
                }
                "ft:onprogress" => {
                    self.leaf(child, &FT_ONPROGRESS);
                    let (octets, interval) = (Self::octets(child, "bytes"), self.time(child, "interval"));
                    let neither = octets.is_none() && interval.is_none();
                    told.progress =
                        Some(Every { octets: octets.or_else(|| neither.then_some(TELL_EVERY_OCTETS)), interval });
                }
                "ft:onobject" => {
                    self.leaf(child, &FT_ONOBJECT);
                    told.object = true;
                }
                "ft:oncomplete" => {
                    self.leaf(child, &FT_ONCOMPLETE);
                    told.complete = true;
                }
                "ft:receiveexit" => exit = self.deeds(child, &FT_RECEIVEEXIT),
                "ft:sendexit" => exit = self.deeds(child, &FT_SENDEXIT),
                "ft:forwardexit" => exit = self.deeds(child, &FT_FORWARDEXIT),
                _ => {}
            }
        }
        (told, exit)
    }

    fn octets(element: Element<'_>, name: &str) -> Option<u64> {
        element.attribute(name)?.parse().ok()
    }
}

/// How finely its owner has to count.
fn watched(told: Told) -> Option<u64> {
    told.progress.map(|every| every.octets.unwrap_or(TELL_EVERY_OCTETS))
}
