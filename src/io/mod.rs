//! The only door to the world: clocks, chance, sockets, files, the operator's HTTP, logs and numbers.
//!
//! Everything else in the house is handed time, chance and octets as values. What is here is as thin as it can be: it
//! reads, performs and measures, and decides nothing.

pub mod admin;
pub mod bucket;
pub mod clock;
mod connection;
mod descriptors;
mod dns;
mod door;
mod driver;
pub mod entropy;
mod events;
mod fetch;
pub mod files;
mod finding;
mod guard;
mod http;
pub mod keys;
mod listen;
pub mod log;
pub mod metrics;
mod moving;
pub mod node;
mod notices;
mod pipe;
mod places;
mod pressure;
mod reader;
pub mod remote;
mod resolve;
mod scrub;
mod signalling;
mod sip_stream;
mod stream;
mod terms;
pub mod tls;
mod transfers;
mod watch;
mod websocket;
mod whole_disk;
