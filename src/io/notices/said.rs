//! What is said to whom: an outcome becomes a notice for each who wants to hear of it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::io::http::shape::{Job, Object};
use crate::model::{BoxPattern, ObjectUri, Occasion, Quota, Wall};
use crate::spool::{
    BoxUsage, Delivery, Envelope, Fate, Measure, Notice, Outcome, OverQuota, Progress, Standing, Target,
};

/// A box that goes on being full is told of once in so many microseconds.
const QUOTA_AGAIN: u64 = 3_600_000_000;

/// Everybody who is told.
pub(super) struct Readers {
    /// Where an event comes from, as CloudEvents has it.
    source: String,
    hooks: Vec<Hook>,
}

/// A webhook that is told by itself.
struct Hook {
    name: String,
    events: Vec<Occasion>,
    boxes: Option<BoxPattern>,
}

/// One word about one fate.
struct Word {
    occasion: Occasion,
    /// `object`, `delivery` or `box`.
    kind: &'static str,
    /// What tells it from every other word of this occasion.
    of: String,
    mailbox: String,
    /// What keeps its order.
    subject: String,
    /// As people and programs know it.
    about: String,
    at: Wall,
    data: Value,
    /// Who has asked to be told of this one.
    asked: Option<Target>,
}

impl Readers {
    pub(super) fn new(settings: &Settings) -> Self {
        let node = utf8_percent_encode(&settings.node.name, NON_ALPHANUMERIC);
        let hooks = settings.webhooks.iter().map(|hook| Hook {
            name: hook.name.clone().unwrap_or_default(),
            events: hook.events.clone(),
            boxes: hook.boxes.clone(),
        });
        Self { source: format!("urn:restante:{node}"), hooks: hooks.collect() }
    }

    /// The notices of an outcome.
    pub(super) fn notices(&self, outcome: &Outcome, now: Wall) -> Vec<Notice> {
        let asked = matches!(outcome, Outcome::Settled(delivery) if delivery.notify.is_some());
        if self.hooks.is_empty() && !asked {
            return Vec::new(); // most nodes tell nobody: nothing is put into words for each of their objects
        }
        let word = Word::of(outcome, now);
        let wants = |hook: &&Hook| {
            let of_box = hook.boxes.as_ref().is_none_or(|boxes| boxes.fits(&word.mailbox));
            of_box && hook.events.contains(&word.occasion)
        };
        let mut targets: Vec<Target> =
            self.hooks.iter().filter(wants).map(|hook| Target::Hook(hook.name.clone())).collect();
        targets.extend(word.asked.clone().filter(|asked| !targets.contains(asked)));
        targets.into_iter().map(|target| self.notice(&word, target)).collect()
    }

    /// CloudEvents 1.0, structured mode, in JSON.
    fn notice(&self, word: &Word, target: Target) -> Notice {
        let Word { occasion, kind, of, subject, about, at, data, .. } = word;
        let id = Notice::id_of(*occasion, of, &target);
        let body = json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": format!("restante.{kind}.{occasion}"),
            "subject": about,
            "time": at.rfc3339(),
            "datacontenttype": "application/json",
            "data": data,
        });
        Notice { id, target, occasion: *occasion, subject: subject.clone(), at: *at, body: body.to_string() }
    }
}

impl Word {
    fn of(outcome: &Outcome, now: Wall) -> Self {
        match outcome {
            Outcome::Stored(envelope) => {
                let data = json!({ "object": Object::new(envelope, &Standing::default()) });
                Self::of_object(envelope, Occasion::Stored, envelope.id.clone(), envelope.stored, data)
            }
            Outcome::Expired(envelope, deed) => {
                let standing = Standing { fate: Fate::Expired, ..Standing::default() };
                let of = format!("{} {}", envelope.id, deed.at.micros()); // it may be brought back, and expire again
                let data = json!({ "object": Object::new(envelope, &standing), "reason": deed.by });
                Self::of_object(envelope, Occasion::Expired, of, deed.at, data)
            }
            Outcome::Settled(delivery) => Self::of_delivery(delivery),
            Outcome::NearlyFull(usage) => Self::nearly_full(usage, now),
            Outcome::Refused(over) => Self::refused(over, now),
        }
    }

    fn of_object(envelope: &Envelope, occasion: Occasion, of: String, at: Wall, data: Value) -> Self {
        Self {
            occasion,
            kind: "object",
            of,
            mailbox: envelope.uri.box_name().to_owned(),
            subject: envelope.id.clone(),
            about: envelope.uri.to_string(),
            at,
            data,
            asked: None,
        }
    }

    fn of_delivery(delivery: &Delivery) -> Self {
        let uri = delivery.uri.parse::<ObjectUri>();
        Self {
            occasion: match delivery.progress {
                Progress::Delivered => Occasion::Delivered,
                Progress::Expired => Occasion::Expired,
                Progress::Cancelled => Occasion::Cancelled,
                Progress::Failed | Progress::Waiting | Progress::Trying => Occasion::Failed,
            },
            kind: "delivery",
            of: format!("{} {}", delivery.object, delivery.id), // a rule may give several objects the same
            mailbox: uri.map(|uri| uri.box_name().to_owned()).unwrap_or_default(),
            subject: delivery.object.clone(),
            about: delivery.uri.clone(),
            at: delivery.changed,
            data: json!({ "delivery": Job::told(delivery) }),
            asked: delivery.notify.as_deref().and_then(Target::parse),
        }
    }

    fn nearly_full(usage: &BoxUsage, now: Wall) -> Self {
        let BoxUsage { mailbox, objects, octets, quota: Quota { octets: of_octets, objects: of_objects, .. } } = usage;
        let data = json!({ "box": mailbox, "state": "nearly_full", "objects": objects, "octets": octets,
            "quota_objects": of_objects, "quota_octets": of_octets });
        Self::of_box(mailbox, "nearly_full", now, data)
    }

    fn refused(over: &OverQuota, now: Wall) -> Self {
        let measure = match over.measure {
            Measure::Octets => "octets",
            Measure::Objects => "objects",
        };
        let data = json!({ "box": over.mailbox, "state": "refused", "measure": measure, "quota": over.quota,
            "used": over.used, "reason": over.to_string() });
        Self::of_box(&over.mailbox, "refused", now, data)
    }

    fn of_box(mailbox: &str, state: &str, now: Wall, data: Value) -> Self {
        Self {
            occasion: Occasion::Quota,
            kind: "box",
            of: format!("{mailbox} {state} {}", now.micros() / QUOTA_AGAIN),
            mailbox: mailbox.to_owned(),
            subject: mailbox.to_owned(),
            about: ObjectUri::mailbox(mailbox).map(|uri| uri.to_string()).unwrap_or_default(),
            at: now,
            data,
            asked: None,
        }
    }
}
