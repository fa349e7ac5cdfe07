//! SIP over UDP and TCP, as user agent client and server.
mod address;
mod api;
mod build;
mod call;
mod check;
mod dialog;
mod endpoint;
mod error;
mod layer;
mod message;
pub mod multipart;
mod normalise;
pub mod parse;
pub mod serialise;
pub mod stream;
mod syntax;
mod timers;
mod transaction;

pub use api::{
    Body, CallKey, Command, Config, EndReason, Event, Flow, FlowId, Input, Invite, Output, Reason, RequestKey,
    Transport,
};
pub use endpoint::Endpoint;
pub use error::SipError;
pub use parse::{Fault, parse};
pub use rsip::{Request, Response, SipMessage};
