//! The inside of `<dialogstart>`: steps, groups and primitives from the element tree (RFC 5707 §9.6-9.8).

use super::document::{Collect, Deed, Group, Kind, PlayFile, Primitive, Record, Send, Step};
use super::fault::{Code, Fault};
use super::value::Checker;
use super::xml::{Element, Space};

const STEPS: &[&str] = &["play", "record", "collect", "dtmf", "group", "send", "exit", "disconnect"];
const DEEDS: &[&str] = &["send", "exit", "disconnect"];
const AUDIO: &[&str] = &["uri", "iterate", "format", "audiosamplerate", "audiosamplesize", "xml:lang"];
const VIDEO: &[&str] = &[
    "uri",
    "iterate",
    "format",
    "audiosamplerate",
    "audiosamplesize",
    "codecconfig",
    "profile",
    "level",
    "imagewidth",
    "imageheight",
    "maxbitrate",
    "framerate",
];
const PLAY: &[&str] =
    &["id", "interval", "iterate", "offset", "initial", "maxtime", "skip", "barge", "cleardb", "xml:lang"];
const RECORD: &[&str] = &[
    "id",
    "append",
    "dest",
    "audiodest",
    "videodest",
    "format",
    "codecconfig",
    "audiosamplerate",
    "audiosamplesize",
    "profile",
    "level",
    "imagewidth",
    "imageheight",
    "maxbitrate",
    "framerate",
    "maxtime",
    "initial",
    "prespeech",
    "postspeech",
    "termkey",
];
const COLLECT: &[&str] = &["id", "cleardb", "fdt", "idt", "edt", "starttimer", "iterate", "ldd"];

impl Checker {
    pub(super) fn steps(&mut self, elements: &[Element]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(elements.len());
        for element in elements {
            if matches!(steps.last(), Some(Step::Deed(Deed::Exit { .. } | Deed::Disconnect { .. }))) {
                self.fault(element, Code::ForbiddenContent, "nothing can follow <exit> or <disconnect>");
            }
            steps.extend(self.step(element));
        }
        steps
    }

    fn step(&mut self, element: &Element) -> Option<Step> {
        if let Some(deed) = self.deed(element) {
            return Some(Step::Deed(deed));
        }
        if let Some(primitive) = self.primitive(element) {
            return Some(Step::Primitive(primitive));
        }
        match (element.space, element.name.as_str()) {
            (Space::Msml, "group") => return Some(Step::Group(self.group(element))),
            (Space::Msml, name) if STEPS.contains(&name) => {} // its fault is already noted
            _ => self.misplaced(element, "dialogstart", STEPS),
        }
        None
    }

    fn deed(&mut self, element: &Element) -> Option<Deed> {
        if element.space != Space::Msml {
            return None;
        }
        match element.name.as_str() {
            "send" => {
                self.leaf(element, &["event", "target", "namelist"]);
                let event = self.moml_name(element, "event");
                let target = self.moml_name(element, "target");
                let namelist = self.namelist(element);
                Some(Deed::Send(Send { event: event?, target: target?, namelist }))
            }
            "exit" | "disconnect" => {
                self.leaf(element, &["namelist"]);
                let namelist = self.namelist(element);
                Some(if element.name == "exit" { Deed::Exit { namelist } } else { Deed::Disconnect { namelist } })
            }
            _ => None,
        }
    }

    /// RFC 5707 §16.3.2 `sendType`: what stands in `<playexit>` and its like.
    fn deeds(&mut self, element: &Element, declared: &[&str]) -> Vec<Deed> {
        self.shape(element, declared);
        if self.strict && element.children.is_empty() {
            self.fault(element, Code::MissingContent, format!("<{}> without content", element.name));
        }
        let mut deeds = Vec::with_capacity(element.children.len());
        for child in &element.children {
            if matches!(deeds.last(), Some(Deed::Exit { .. } | Deed::Disconnect { .. })) {
                self.fault(child, Code::ForbiddenContent, "nothing can follow <exit> or <disconnect>");
            }
            let deed = self.deed(child);
            if deed.is_none() && (child.space != Space::Msml || !DEEDS.contains(&child.name.as_str())) {
                self.misplaced(child, &element.name, DEEDS);
            }
            deeds.extend(deed);
        }
        deeds
    }

    fn group(&mut self, element: &Element) -> Group {
        self.shape(element, &["id", "topology"]);
        self.id(element);
        if self.required(element, "topology").is_some() {
            let topology = self.choice(element, "topology", &["parallel", "serial", "fullduplex"]);
            if topology.is_some_and(|topology| topology != "parallel") {
                self.fault(element, Code::UnsupportedAttribute, "<group> can only have topology=\"parallel\" here");
            }
        }
        let mut group = Group { primitives: Vec::new(), exit: Vec::new() };
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Msml, "groupexit") => group.exit = self.deeds(child, &[]),
                (Space::Msml, "group") => {
                    self.fault(child, Code::UnsupportedElement, "a <group> inside a <group> is not supported");
                }
                (Space::Msml, "play" | "record" | "dtmf" | "collect") => group.primitives.extend(self.primitive(child)),
                _ => self.misplaced(child, "group", &["play", "record", "collect", "dtmf", "groupexit"]),
            }
        }
        if element.children.iter().all(|child| child.name == "groupexit") {
            self.fault(element, Code::MissingContent, "<group> without a primitive");
        }
        group
    }

    fn primitive(&mut self, element: &Element) -> Option<Primitive> {
        if element.space != Space::Msml {
            return None;
        }
        match element.name.as_str() {
            "play" => self.play(element),
            "record" => self.record(element),
            "dtmf" | "collect" => Some(self.collect(element)),
            _ => None,
        }
    }

    fn play(&mut self, element: &Element) -> Option<Primitive> {
        self.shape(element, PLAY);
        self.only_once(element);
        // Time has no place in a file; RFC 5707 allows an offset for audio only.
        if self.timer(element, "offset").is_some() {
            self.fault(element, Code::UnsupportedAttribute, "<play> cannot start at an offset in time");
        }
        if self.strict {
            self.duration(element, "interval");
            self.flag(element, "barge");
            self.flag(element, "cleardb");
        }
        let id = self.id(element);
        let suspended = self.choice(element, "initial", &["generate", "suspend"]) == Some("suspend");
        let maxtime = self.maxtime(element);
        let (mut files, mut exit) = (Vec::new(), Vec::new());
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Msml, "audio") => files.extend(self.file(child, AUDIO)),
                (Space::Msml, "video") => files.extend(self.file(child, VIDEO)),
                (Space::Msml, "media") => files.extend(self.media(child)),
                (Space::Msml, "playexit") => exit = self.deeds(child, &[]),
                _ => self.misplaced(child, "play", &["audio", "video", "media", "playexit"]),
            }
        }
        if element.children.iter().all(|child| child.name == "playexit") {
            self.fault(element, Code::MissingContent, "<play> without anything to play");
        }
        Some(Primitive { id, kind: Kind::Play { files, suspended, maxtime }, exit })
    }

    fn media(&mut self, element: &Element) -> Vec<PlayFile> {
        self.shape(element, &[]);
        let mut files = Vec::new();
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Msml, "audio") => files.extend(self.file(child, AUDIO)),
                (Space::Msml, "video") => files.extend(self.file(child, VIDEO)),
                _ => self.misplaced(child, "media", &["audio", "video"]),
            }
        }
        if element.children.is_empty() {
            self.fault(element, Code::MissingContent, "<media> without <audio> or <video>");
        }
        files
    }

    fn file(&mut self, element: &Element, declared: &[&str]) -> Option<PlayFile> {
        self.leaf(element, declared);
        self.only_once(element);
        let uri = self.uri(element, "uri")?;
        if uri.name().is_none() {
            self.fault(element, Code::InvalidValue, format!("{uri} is a box; expected the name of an object in it"));
        }
        Some(PlayFile { uri, media_type: element.attribute("format").and_then(media_type) })
    }

    fn record(&mut self, element: &Element) -> Option<Primitive> {
        self.shape(element, RECORD);
        let id = self.id(element);
        let format = self.required_if_strict(element, "format").map(str::to_owned);
        self.required_if_strict(element, "maxtime");
        let maxtime = self.maxtime(element);
        if self.flag(element, "append") {
            let message = "append=\"true\": a committed object never changes".to_owned();
            self.fault(element, Code::UnsupportedAttribute, message);
        }
        let suspended = self.choice(element, "initial", &["create", "suspend"]) == Some("suspend");
        let first_timeout = self.timer(element, "prespeech");
        let idle_timeout = self.timer(element, "postspeech");
        let mut exit = Vec::new();
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Msml, "recordexit") => exit = self.deeds(child, &[]),
                (Space::Msml, "play") => {
                    // RFC 5707 §9.7.4.1: a prompt, for which a stream that only receives has no direction.
                    let fault = Fault::new(child.position, Code::UnsupportedElement, "a <play> inside <record>");
                    self.note(fault.hint("put the <play> before the <record>"));
                }
                _ => self.misplaced(child, "record", &["recordexit"]),
            }
        }
        let dests = ["dest", "audiodest", "videodest"].map(|name| element.attribute(name).map(|_| name));
        let mut given = dests.into_iter().flatten();
        let name = given.next().unwrap_or("dest");
        if let Some(second) = given.next() {
            let message = format!("<record> has {name} and {second}, but a message stream carries one file");
            self.fault(element, Code::UnsupportedAttribute, message);
        }
        let dest = self.uri(element, name)?;
        let record = Record { dest, format, suspended, first_timeout, idle_timeout };
        Some(Primitive { id, kind: Kind::Record { record, maxtime }, exit })
    }

    fn collect(&mut self, element: &Element) -> Primitive {
        self.shape(element, COLLECT);
        let id = self.id(element);
        let first_digit = self.timer(element, "fdt");
        let timer_runs = self.flag(element, "starttimer");
        let mut noinput_times = self.times(element);
        let (mut noinput, mut exit) = (Vec::new(), Vec::new());
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Msml, "pattern") => {
                    self.required(child, "digits");
                    self.deeds(child, &["digits", "format", "iterate"]);
                }
                (Space::Msml, "detect") => drop(self.deeds(child, &[])),
                (Space::Msml, "nomatch") => drop(self.deeds(child, &["iterate"])),
                (Space::Msml, "noinput") => {
                    noinput = self.deeds(child, &["iterate"]);
                    if child.attribute("iterate").is_some() {
                        noinput_times = self.times(child);
                    }
                }
                (Space::Msml, "dtmfexit") => exit = self.deeds(child, &[]),
                (Space::Msml, "play") => {
                    let message = format!("a <play> inside <{}>", element.name);
                    let fault = Fault::new(child.position, Code::UnsupportedElement, message);
                    self.note(fault.hint(format!("put the <play> before the <{}>", element.name)));
                }
                _ => self.misplaced(child, &element.name, &["pattern", "detect", "noinput", "nomatch", "dtmfexit"]),
            }
        }
        Primitive { id, kind: Kind::Collect(Collect { first_digit, timer_runs, noinput, noinput_times }), exit }
    }
}

/// The MIME type in `audio/wav;codecs=mulaw`; voice clients also write `g729`, which is none.
fn media_type(format: &str) -> Option<String> {
    let essence = format.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (kind, subtype) = essence.split_once('/')?;
    (token(kind) && token(subtype)).then_some(essence)
}
