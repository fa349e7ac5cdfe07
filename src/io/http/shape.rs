//! Objects and jobs as the door shows them, and whoever is told of them reads them.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::queue::{Name, Wait};
use crate::spool::{Caller, Delivery, Envelope, Fate, Filter, Progress, Standing, Target};

/// What is known of an object.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::io) struct Object {
    /// Unique for ever; ids sort by age.
    pub(in crate::io) id: String,
    /// `spool:/BOX/NAME`.
    uri: String,
    #[serde(rename = "box")]
    mailbox: String,
    name: String,
    state: ObjectState,
    /// Octets.
    size: u64,
    /// Hexadecimal.
    sha256: String,
    /// Hexadecimal.
    sha1: String,
    #[schema(required)]
    media_type: Option<String>,
    /// Message-ID of the MSRP message in which it came.
    #[schema(required)]
    message_id: Option<String>,
    /// URI of who sent it.
    #[schema(required)]
    from: Option<String>,
    /// URI of whom it is for.
    #[schema(required)]
    to: Option<String>,
    /// When it was committed (RFC 3339).
    created: String,
    /// When nobody wants it any more (RFC 3339).
    #[schema(required)]
    expires: Option<String>,
}

/// What has become of an object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::io) enum ObjectState {
    /// It is committed, and waits.
    Stored,
    /// The same, and an operator keeps it from delivery and from its end.
    Held,
    /// It was deleted, and can still be brought back.
    Deleted,
    /// Its time is over, and its octets will go.
    Expired,
}

impl From<&Standing> for ObjectState {
    fn from(standing: &Standing) -> Self {
        match standing.fate {
            Fate::Stored if standing.held.is_some() => Self::Held,
            Fate::Stored => Self::Stored,
            Fate::Deleted => Self::Deleted,
            Fate::Expired => Self::Expired,
        }
    }
}

impl From<ObjectState> for Filter {
    fn from(state: ObjectState) -> Self {
        match state {
            ObjectState::Stored => Self::Stored,
            ObjectState::Held => Self::Held,
            ObjectState::Deleted => Self::Deleted,
            ObjectState::Expired => Self::Expired,
        }
    }
}

impl Object {
    pub(in crate::io) fn new(envelope: &Envelope, standing: &Standing) -> Self {
        Self {
            id: envelope.id.clone(),
            uri: envelope.uri.to_string(),
            mailbox: envelope.uri.box_name().to_owned(),
            name: envelope.uri.name().unwrap_or_default().to_owned(),
            state: standing.into(),
            size: envelope.size(),
            sha256: envelope.sha256().hex(),
            sha1: envelope.sha1().hex(),
            media_type: envelope.file.media_type.clone(),
            message_id: envelope.message_id.clone(),
            from: envelope.from.clone(),
            to: envelope.to.clone(),
            created: envelope.stored.rfc3339(),
            expires: envelope.expires.map(crate::model::Wall::rfc3339),
        }
    }
}

/// A job that brings an object to one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::io) struct Job {
    /// Unique for ever.
    pub(in crate::io) id: String,
    /// The id of the object.
    pub(in crate::io) object: String,
    /// What the object was called when the job was made.
    uri: String,
    /// SIP URI of the recipient.
    to: String,
    /// `uac`: we call; `as`: an application server does.
    mode: Mode,
    pub(in crate::io) state: JobState,
    /// Attempts that have begun.
    attempts: u32,
    /// What it waits for, or how it has ended.
    reason: String,
    /// When it was asked for (RFC 3339).
    created: String,
    /// When the next attempt is due (RFC 3339); null if there will be none.
    #[schema(required)]
    next_attempt: Option<String>,
    /// When it is given up (RFC 3339).
    expires: String,
    /// Who is told of its end: a URL, of which lists show the beginning alone, or `hook:NAME` for a webhook that is configured.
    #[schema(required)]
    notify: Option<String>,
}

/// A target in a list that others than whoever has named it may see: of a URL no path and no query, which may be secrets.
pub(in crate::io) fn shown(target: &Target) -> String {
    let origin = |url: &Url| url.origin().ascii_serialization();
    match target {
        Target::Url(url) => Url::parse(url).as_ref().map(origin).unwrap_or_default(),
        Target::Hook(_) | Target::Sip(_) => target.to_string(),
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::io) enum Mode {
    /// We do.
    #[default]
    Uac,
    /// An application server does, and says so by `ft.bind`.
    As,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::io) enum JobState {
    /// It has never been tried.
    Incoming,
    /// An attempt runs.
    Active,
    /// It has failed, and is tried again.
    Deferred,
    /// An operator keeps its object.
    Hold,
    /// The recipient has the file.
    Delivered,
    /// It was given up.
    Failed,
    /// Its time is over.
    Expired,
    /// It was called back.
    Cancelled,
}

impl Job {
    /// As others may see it who have not asked for it.
    pub(in crate::io) fn listed(delivery: &Delivery, wait: Option<&(Name, Wait)>) -> Self {
        let notify = delivery.notify.as_deref().and_then(Target::parse).map(|target| shown(&target));
        Self { notify, ..Self::new(delivery, wait) }
    }

    /// As it is told: not where else it is.
    pub(in crate::io) fn told(delivery: &Delivery) -> Self {
        Self { notify: None, ..Self::new(delivery, None) }
    }

    pub(in crate::io) fn new(delivery: &Delivery, wait: Option<&(Name, Wait)>) -> Self {
        let Delivery { id, object, uri, to, attempts, reason, .. } = delivery;
        let settled = delivery.progress.is_settled();
        Self {
            id: id.clone(),
            object: object.clone(),
            uri: uri.clone(),
            to: to.clone(),
            mode: match delivery.caller {
                Caller::Uac => Mode::Uac,
                Caller::As => Mode::As,
            },
            state: state(delivery, wait.map(|(name, _)| *name)),
            attempts: *attempts,
            reason: wait.map_or_else(|| reason.clone(), |(_, wait)| wait.to_string()),
            created: delivery.created.rfc3339(),
            next_attempt: (!settled).then(|| delivery.next.rfc3339()),
            expires: delivery.expires.rfc3339(),
            notify: delivery.notify.clone(),
        }
    }
}

fn state(delivery: &Delivery, queue: Option<Name>) -> JobState {
    match (delivery.progress, queue) {
        (Progress::Delivered, _) => JobState::Delivered,
        (Progress::Failed, _) => JobState::Failed,
        (Progress::Expired, _) => JobState::Expired,
        (Progress::Cancelled, _) => JobState::Cancelled,
        (_, Some(Name::Hold)) => JobState::Hold,
        (Progress::Trying, _) | (_, Some(Name::Active)) => JobState::Active,
        (Progress::Waiting, _) if delivery.attempts == 0 => JobState::Incoming,
        (Progress::Waiting, _) => JobState::Deferred,
    }
}
