//! SIP over UDP, TCP and TLS: one endpoint that makes and takes calls, and carries INFO inside them.
//!
//! # What it promises
//!
//! * Every call announced by [`Event::Invited`] or begun by [`Command::Invite`] ends with exactly one
//!   [`Event::Ended`], its last event; every [`Command::Info`] gets exactly one [`Event::InfoAnswered`], every
//!   [`Command::Message`] one [`Event::MessageAnswered`].
//! * Every subscription announced by [`Event::Subscribed`] ends with one [`Event::Unsubscribed`], its last event. It has
//!   one NOTIFY under way at a time, and each begins at least a second after the last, unless a SUBSCRIBE asks for it.
//! * An INVITE, INFO or BYE reaches the owner once, however often the network repeats it, and INFOs of one call leave
//!   one by one in the order of the commands. BYE leaves after them, and never before the ACK that confirms the dialog.
//! * The To tag of our responses is 22 letters and digits with nothing behind it: MSML's connection id.
//! * Any octets are answered, dropped, or close their stream. None panic, and none cost more than the limits below.
//! * The same inputs with the same mint give the same outputs.
//!
//! ```text
//!   octets   +-----------+   +-----------+   +-------+   +-------------------+
//!  --------->| stream    |-->| normalise |-->| parse |-->| layer             |   Event
//!   per flow | (TCP only)|   | unfold,   |   | check |   | transactions,     |--+-------->
//!            +-----------+   | full names|   | rsip's|   | timers            |  |  owner
//!                            +-----------+   | types |   +---------+---------+  | <-------
//!   octets                                   +-------+             |            |  Command
//!  <---------------------------- serialise <--- build <--- +-------+---------+  |
//!                                                          | endpoint        |<-+
//!                                                          | dialog, call    |
//!                                                          +-----------------+
//! ```
//!
//! Messages are rsip's types, but neither rsip's parser nor its printer: those refuse IPv6, folding, compact names and
//! unknown methods, and corrupt binary bodies.
//!
//! # Limits
//!
//! [`SIP_MESSAGE_OCTETS`], [`SIP_HEAD_OCTETS`] and [`SIP_HEADERS`] bound a message and with it a stream's buffer,
//! [`SIP_FLOWS`] the streams, [`Config::transactions_max`], [`Config::calls_max`], [`Config::calls_per_address_max`],
//! [`Config::subscriptions_max`] and [`Config::subscriptions_per_address_max`] what is alive at once (503 with Retry-After
//! beyond), [`SIP_QUEUED_REQUESTS`] what waits in one call in either direction. An INVITE is answered by
//! the owner within [`Config::answer_within`] or gets 487; one of ours that rings for ever is the owner's to cancel.
//!
//! # What it does not do
//!
//! No handshakes and no resolver: the owner gives places, and inside a dialog only numeric routes and targets are
//! followed, else the peer's last address. It acknowledges reliable provisionals and sends none (Require: 100rel gets
//! 420). A request that is too large for a datagram goes by TCP, and by UDP all the same where no connection comes to be. It forwards nothing, so Max-Forwards is
//! checked for its range alone, and `maddr` is not followed, for it would aim our responses at others. Redirections are
//! told to the owner, not followed. Whom to challenge is the owner's to say.
//!
//! [`SIP_MESSAGE_OCTETS`]: crate::model::limits::SIP_MESSAGE_OCTETS
//! [`SIP_HEAD_OCTETS`]: crate::model::limits::SIP_HEAD_OCTETS
//! [`SIP_HEADERS`]: crate::model::limits::SIP_HEADERS
//! [`SIP_FLOWS`]: crate::model::limits::SIP_FLOWS
//! [`SIP_QUEUED_REQUESTS`]: crate::model::limits::SIP_QUEUED_REQUESTS

mod address;
mod build;
mod call;
mod check;
mod command;
mod config;
mod dialog;
mod endpoint;
mod error;
mod event;
mod flow;
mod guard;
mod layer;
mod message;
pub mod multipart;
mod normalise;
mod page;
pub mod parse;
mod records;
pub mod serialise;
pub mod stream;
mod subscription;
mod syntax;
mod target;
mod timers;
mod transaction;

pub use command::{Command, Input, Output};
pub use config::{Config, EventPackage};
pub use dialog::DialogReport;
pub use endpoint::Endpoint;
pub use error::SipError;
pub use event::{EndReason, Event, Opening, Reason, Refusal};
pub use flow::{Body, CallKey, Flow, FlowId, RequestKey, SubscriptionKey, Transport};
pub use parse::{Fault, parse};
pub use records::{Naptr, Srv, in_order};
pub use rsip::{Request, Response, SipMessage};
pub use target::{Place, Target};

#[cfg(test)]
mod tests;
