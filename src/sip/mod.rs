//! SIP over UDP and TCP, as user agent client and server.
mod address;
mod api;
mod check;
mod error;
mod message;
mod normalise;
pub mod parse;
pub mod serialise;
pub mod stream;
mod syntax;

pub use api::{
    Body, CallKey, Command, Config, EndReason, Event, Flow, FlowId, Input, Invite, Output, Reason, RequestKey,
    Transport,
};
pub use error::SipError;
pub use parse::{Fault, parse};
pub use rsip::{Request, Response, SipMessage};
