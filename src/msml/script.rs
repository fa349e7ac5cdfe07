//! The inside of `<dialogstart>`: steps, groups and primitives from the element tree (RFC 5707 §9.6-9.8).

use super::document::{Collect, Deed, Group, Kind, Primitive, Send, Step};
use super::fault::Code;
use super::value::Checker;
use super::vocabulary::{
    AUDIO, COLLECT, DETECT, DISCONNECT, DTMF, DTMFEXIT, EXIT, GROUP, GROUPEXIT, INNER_SEND, MEDIA, NOINPUT, NOMATCH,
    PATTERN, PLAY, PLAYEXIT, RECORD, RECORDEXIT, VIDEO, Word,
};
use super::work::{Play, PlayFile, Record};
use super::xml::Element;

impl Checker {
    /// The steps in a `<dialogstart>` or `<moml>`.
    pub(super) fn steps(&mut self, element: Element<'_>, word: &Word) -> Vec<Step> {
        self.content(element, word);
        element.children().filter_map(|child| self.step(child)).collect()
    }

    pub(super) fn step(&mut self, element: Element<'_>) -> Option<Step> {
        match element.own_name() {
            "group" => Some(Step::Group(self.group(element))),
            "send" | "exit" | "disconnect" => self.deed(element).map(Step::Deed),
            _ => self.primitive(element).map(Step::Primitive),
        }
    }

    fn primitive(&mut self, element: Element<'_>) -> Option<Primitive> {
        match element.own_name() {
            "play" => Some(self.play(element)),
            "record" => Some(self.record(element)),
            "ft:receive" => Some(self.receive(element)),
            "ft:send" => Some(self.send_files(element)),
            "ft:forward" => self.forward(element),
            "collect" => Some(self.collect(element, &COLLECT)),
            "dtmf" => Some(self.collect(element, &DTMF)),
            "transfer" => Some(self.transfer(element)),
            "fileop" => self.fileop(element),
            _ => None,
        }
    }

    fn deed(&mut self, element: Element<'_>) -> Option<Deed> {
        let word = match element.own_name() {
            "send" => &INNER_SEND,
            "exit" => &EXIT,
            "disconnect" => &DISCONNECT,
            _ => return None,
        };
        self.leaf(element, word);
        let namelist = Self::namelist(element);
        match word.name {
            "exit" => Some(Deed::Exit { namelist }),
            "disconnect" => Some(Deed::Disconnect { namelist }),
            _ => {
                let event = Self::text(element, "event")?;
                Some(Deed::Send(Send { event, target: Self::text(element, "target")?, namelist }))
            }
        }
    }

    /// RFC 5707 §16.3.2 `sendType`: what stands in `<playexit>` and its like.
    pub(super) fn deeds(&mut self, element: Element<'_>, word: &Word) -> Vec<Deed> {
        self.attributes(element, word);
        self.content(element, word);
        element.children().filter_map(|child| self.deed(child)).collect()
    }

    fn group(&mut self, element: Element<'_>) -> Group {
        self.attributes(element, &GROUP);
        self.content(element, &GROUP);
        if matches!(element.attribute("topology"), Some("serial" | "fullduplex")) {
            self.fault(element, Code::UnsupportedAttribute, "<group> can only have topology=\"parallel\" here");
        }
        let mut group = Group { primitives: Vec::new(), exit: Vec::new() };
        for child in element.children() {
            match child.own_name() {
                "groupexit" => group.exit = self.deeds(child, &GROUPEXIT),
                _ => group.primitives.extend(self.primitive(child)),
            }
        }
        group
    }

    fn play(&mut self, element: Element<'_>) -> Primitive {
        self.attributes(element, &PLAY);
        self.content(element, &PLAY);
        let (mut files, mut exit) = (Vec::new(), Vec::new());
        for child in element.children() {
            match child.own_name() {
                "media" => {
                    self.attributes(child, &MEDIA);
                    self.content(child, &MEDIA);
                    files.extend(child.children().filter_map(|file| self.file(file)));
                }
                "playexit" => exit = self.deeds(child, &PLAYEXIT),
                _ => files.extend(self.file(child)),
            }
        }
        let suspended = element.attribute("initial") == Some("suspend");
        let kind = Kind::Play { play: Play::new(files, suspended), maxtime: self.time(element, "maxtime") };
        Primitive { id: Self::text(element, "id"), kind, exit }
    }

    fn file(&mut self, element: Element<'_>) -> Option<PlayFile> {
        let word = match element.own_name() {
            "audio" => &AUDIO,
            "video" => &VIDEO,
            "ft:file" => return self.plain_file(element),
            _ => return None,
        };
        self.leaf(element, word);
        let media_type = element.attribute("format").and_then(media_type);
        Some(PlayFile { media_type, ..PlayFile::new(Self::uri(element, "uri")?) })
    }

    fn record(&mut self, element: Element<'_>) -> Primitive {
        self.attributes(element, &RECORD);
        self.content(element, &RECORD);
        if Self::flag(element, "append") {
            let message = "append=\"true\": a committed object never changes";
            self.fault(element, Code::UnsupportedAttribute, message);
        }
        let destinations = ["dest", "audiodest", "videodest"];
        if destinations.iter().all(|name| element.attribute(name).is_none()) {
            self.missing(element, &RECORD, "dest");
        }
        let mut exit = Vec::new();
        for child in element.children().filter(|child| child.own_name() == "recordexit") {
            exit = self.deeds(child, &RECORDEXIT);
        }
        let [dest, audiodest, videodest] = destinations.map(|name| Self::uri(element, name));
        let record = Record {
            dest,
            audiodest,
            videodest,
            format: Self::text(element, "format"),
            suspended: element.attribute("initial") == Some("suspend"),
            first_timeout: self.timer(element, "prespeech"),
            idle_timeout: self.timer(element, "postspeech"),
            ..Record::default()
        };
        let kind = Kind::Record { record: Box::new(record), maxtime: self.time(element, "maxtime") };
        Primitive { id: Self::text(element, "id"), kind, exit }
    }

    fn collect(&mut self, element: Element<'_>, word: &Word) -> Primitive {
        self.attributes(element, word);
        self.content(element, word);
        let mut noinput_times = Self::times(element);
        let (mut noinput, mut exit) = (Vec::new(), Vec::new());
        for child in element.children() {
            match child.own_name() {
                "pattern" => drop(self.deeds(child, &PATTERN)),
                "detect" => drop(self.deeds(child, &DETECT)),
                "nomatch" => drop(self.deeds(child, &NOMATCH)),
                "noinput" => {
                    noinput = self.deeds(child, &NOINPUT);
                    if child.attribute("iterate").is_some() {
                        noinput_times = Self::times(child);
                    }
                }
                "dtmfexit" => exit = self.deeds(child, &DTMFEXIT),
                _ => {}
            }
        }
        let first_digit = self.timer(element, "fdt");
        let timer_runs = Self::flag(element, "starttimer");
        let collect = Collect { first_digit, timer_runs, noinput, noinput_times };
        Primitive { id: Self::text(element, "id"), kind: Kind::Collect(collect), exit }
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
