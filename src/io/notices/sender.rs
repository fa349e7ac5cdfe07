//! What the sender of a message is told of its fate (RFC 5438), if it has asked and may be told.

use crate::config::Settings;
use crate::engine::imdn::{Fate, notification, whose};
use crate::model::Domain;
use crate::model::limits::{IMDN_BURST, IMDN_EVERY};
use crate::notices::{Rate, Rates};
use crate::sip::Target;
use crate::spool::{self, Delivery, Envelope, Mark, Notice, Outcome, Progress, Spool};

/// Senders who are told.
pub(super) struct Senders {
    /// Their domains.
    domains: Vec<Domain>,
    /// How often messages of one sender may cause one.
    sources: Rates,
    /// How often one is sent to the same place.
    targets: Rates,
}

impl Senders {
    pub(super) fn new(settings: &Settings) -> Self {
        let rate = Rate { burst: IMDN_BURST, every: IMDN_EVERY };
        Self { domains: settings.policy.forward.clone(), sources: Rates::new(rate), targets: Rates::new(rate) }
    }

    /// The notification that an outcome comes to.
    pub(super) fn notice(&mut self, outcome: &Outcome, spool: &Spool) -> Option<Notice> {
        let object;
        let (envelope, fate, at) = match outcome {
            Outcome::Stored(envelope) => (envelope.as_ref(), Fate::Stored, envelope.stored),
            Outcome::Settled(delivery) => {
                let fate = fate(delivery)?;
                object = spool.find_id(&delivery.object).ok()??;
                (object.envelope(), fate, delivery.changed)
            }
            Outcome::Expired(envelope, deed) if is_lost(envelope, spool) => (envelope.as_ref(), Fate::Failed, deed.at),
            Outcome::Expired(..) | Outcome::NearlyFull(_) | Outcome::Refused(_) => return None,
        };
        let notice = notification(envelope, fate, at)?;
        let spool::Target::Sip(uri) = &notice.target else { return None };
        let host = Target::of(uri)?.host;
        if !self.domains.iter().any(|domain| domain.has(&host)) {
            tracing::info!(object = notice.subject, host, "policy.forward has not where its sender is told: nobody is");
            return None;
        }
        let source = envelope.from.as_deref().unwrap_or_default();
        if !(self.sources.take(source, notice.at) && self.targets.take(&whose(uri).unwrap_or_default(), notice.at)) {
            let (object, call_id) = (&envelope.id, &envelope.call_id);
            tracing::warn!(object, call_id, source, uri, "too many notifications: nobody is told of this one");
            return None;
        }
        Some(notice)
    }
}

/// What the end of a delivery is to the sender. What was called back may still be brought to somebody. `delivered` is the
/// recipient's word, unless it was not asked for it: only a file that has left its wrapper and was reported is for us to tell.
fn fate(delivery: &Delivery) -> Option<Fate> {
    let ours = delivery.caller == spool::Caller::Uac && !delivery.wrapped && !delivery.unreported;
    match delivery.progress {
        Progress::Delivered => ours.then_some(Fate::Delivered),
        Progress::Failed | Progress::Expired => Some(Fate::Failed),
        Progress::Cancelled | Progress::Waiting | Progress::Trying => None,
    }
}

/// Whether nobody has seen it, nor got it.
fn is_lost(envelope: &Envelope, spool: &Spool) -> bool {
    let Ok(Some(object)) = spool.find_id(&envelope.id) else { return false };
    let Ok(standing) = spool.standing(&object) else { return false };
    let brought = standing.deliveries.iter().any(|delivery| delivery.progress == Progress::Delivered);
    standing.mark == Mark::New && !brought
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Caller;

    // M5438-12.2-01
    #[test]
    fn delivered_is_ours_to_tell_only_where_the_recipient_was_not_asked_to_and_has_reported_the_file() {
        let of = |change: fn(&mut Delivery)| {
            let mut delivery = Delivery { progress: Progress::Delivered, ..Delivery::default() };
            change(&mut delivery);
            fate(&delivery)
        };
        assert_eq!(of(|_| {}), Some(Fate::Delivered));
        assert_eq!(of(|delivery| delivery.wrapped = true), None);
        assert_eq!(of(|delivery| delivery.unreported = true), None);
        assert_eq!(of(|delivery| delivery.caller = Caller::As), None);
        assert_eq!(of(|delivery| delivery.progress = Progress::Expired), Some(Fate::Failed));
        assert_eq!(of(|delivery| delivery.progress = Progress::Failed), Some(Fate::Failed));
        assert_eq!(of(|delivery| delivery.progress = Progress::Cancelled), None);
    }
}
