//! The switchboard: SIP calls, MSML dialogs and MSRP links brought together, still without any I/O.
//!
//! It promises: no octet of a file passes here; nothing is reported before it is committed, because only a
//! [`Committed`](crate::spool::Committed) can cause a report or an exit event; whatever waits has a deadline.
//!
//! ```text
//!              SIP octets                        MSML bodies
//!   driver ──────────────▶ sip::Endpoint ──▶ control ──▶ msml::Interpreter
//!      ▲                        │                            │ Start / Order
//!      │ Output                 ▼ calls, SDP                 ▼
//!      └───────────── inbound (INVITE, record) · outbound (play, re-INVITE, client orders)
//!                                   │ Command ▲ Notice
//!                                   ▼         │
//!                                 Link · Link · Link          (one per byte stream: the data plane)
//! ```
//! Limits: those of the rooms below, and the messages that a session may begin. When a
//! delivery is tried is the queue's to say, and it does not know what a socket, a file or the time is.

mod admission;
mod answering;
mod asks;
mod attempts;
mod audit;
mod binding;
mod call;
mod calling;
mod client;
mod control;
mod core;
mod deliveries;
mod delivering;
pub mod delivery;
mod description;
mod drain;
mod early;
mod events;
pub mod failure;
mod filing;
mod follow;
mod forwarding;
mod frames;
pub mod imdn;
mod inbound;
mod jobs;
pub mod link;
mod middlebox;
mod moving;
mod mwi;
mod offering;
pub mod order;
mod outbound;
mod owner;
mod paths;
mod playing;
pub mod policy;
pub mod port;
mod posting;
mod receipt;
mod recording;
mod relay;
mod relays;
mod service;
mod transfers;
pub mod trust;
mod variables;
mod watching;
mod websocket;
mod wish;
mod wrapping;

pub use self::core::Engine;
pub use delivery::{Attempt, Handed};
pub use failure::{FileFailure, ReceiveFailure};
pub use link::{Bearer, Command, Grant, Link, LinkId, Notice, Source};
pub use order::{CallMedia, Happening, LocalFile, Order, OrderId, Wanted};
pub use policy::{Door, Doors, ErrorStyle, Manners, Outbound, Peer, Policy, Trunk, Unattended, Verify};
pub use port::{Census, Found, Input, Moved, Output, Page, PageEnd, Query, ScriptSource, Ticket};
pub use trust::{Demand, Distrust, HostName, PeerCertificate};
pub use wish::Wish;
