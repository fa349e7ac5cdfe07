//! Restante: an MSML-driven store-and-forward file transfer server.

pub mod config;
pub mod engine;
pub mod io;
pub mod model;
pub mod msml;
pub mod msrp;
pub mod notices;
pub mod queue;
pub mod sdp;
pub mod sip;
pub mod spool;
