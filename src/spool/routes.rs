//! What the rules for boxes make of what arrives there: deliveries that nobody asks for.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::delivery::Delivery;
use super::envelope::Envelope;
use crate::model::limits::{DELIVERIES_PER_OBJECT, ROUTED_HOPS};
use crate::model::{Digest, Route, Wall};

/// The rules, and what they have made that nobody has been told yet.
#[derive(Default)]
pub(super) struct Routes {
    rules: Vec<Route>,
    /// How long is tried what no rule says otherwise of.
    lifetime: Duration,
    /// Told when there is something new.
    wake: Option<Arc<dyn Fn() + Send + Sync>>,
    fresh: Vec<Delivery>,
}

impl Routes {
    pub(super) fn set(&mut self, rules: Vec<Route>, lifetime: Duration, wake: Arc<dyn Fn() + Send + Sync>) {
        (self.rules, self.lifetime, self.wake) = (rules, lifetime, Some(wake));
    }

    /// Where an object goes that is about to be committed. `hops` is how far its sender would have let it go.
    pub(super) fn of(&self, envelope: &Envelope, hops: Option<u8>, now: Wall) -> Vec<Delivery> {
        let (mailbox, media_type) = (envelope.uri.box_name(), envelope.file.media_type.as_deref());
        let mut deliveries = Vec::<Delivery>::new();
        for rule in self.rules.iter().filter(|rule| rule.takes(mailbox, media_type)) {
            let left = hops.unwrap_or(u8::MAX).min(ROUTED_HOPS).saturating_sub(1);
            let (object, to) = (&envelope.id, rule.to.of(mailbox));
            if left == 0 {
                let (call_id, message_id) = (envelope.call_id.as_deref(), envelope.message_id.as_deref());
                tracing::error!(object, to, call_id, message_id, "it was forwarded too often already, and stays here");
                continue;
            }
            let id = name(envelope, &to);
            if deliveries.len() >= DELIVERIES_PER_OBJECT || deliveries.iter().any(|known| known.id == id) {
                continue;
            }
            let lives = rule.expires.map_or(self.lifetime, |expires| expires.min(self.lifetime));
            deliveries.push(Delivery {
                id,
                object: object.clone(),
                uri: envelope.uri.to_string(),
                to,
                created: now,
                next: now.after(rule.after.min(lives)),
                expires: now.after(lives),
                changed: now,
                told: if rule.delete { vec![("delete".to_owned(), "true".to_owned())] } else { Vec::new() },
                hops: Some(left),
                ..Delivery::default()
            });
        }
        deliveries
    }

    /// They are written down, and their object is there.
    pub(super) fn add(&mut self, deliveries: Vec<Delivery>) {
        self.fresh.extend(deliveries);
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    pub(super) fn take(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.fresh)
    }
}

/// The name of a delivery, and with it the Message-ID of what is sent: the same whenever the same message of the same sender
/// is to go to the same recipient. So whoever gets it by two ways can tell (RFC 4975 §5.4), also when its object was
/// forwarded and deleted, and its sender has missed that and sends it once more.
fn name(envelope: &Envelope, to: &str) -> String {
    let mut hash = Sha256::new();
    let sent = envelope.from.as_deref().zip(envelope.message_id.as_deref());
    let (from, message_id) = sent.unwrap_or(("", &envelope.id));
    for part in [from, message_id, &envelope.sha256().hex(), envelope.uri.box_name(), to] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut name = Digest::sha256(hash.finalize().into()).hex();
    name.truncate(NAME_LETTERS);
    name
}

/// 128 bits, and no more letters than a Message-ID has (RFC 4975 §9).
const NAME_LETTERS: usize = 32;
