//! SIP over UDP and TCP, as user agent client and server.
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

pub use command::{Command, Input, Output};
pub use config::Config;
pub use endpoint::Endpoint;
pub use error::SipError;
pub use event::{EndReason, Event, Invite, Reason};
pub use flow::{Body, CallKey, Flow, FlowId, RequestKey, Transport};
pub use parse::{Fault, parse};
pub use rsip::{Request, Response, SipMessage};

#[cfg(test)]
mod tests;
