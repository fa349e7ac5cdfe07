//! Restante: an MSML-driven store-and-forward file transfer server.

pub mod config;
pub mod io;
pub mod model;
pub mod spool;
