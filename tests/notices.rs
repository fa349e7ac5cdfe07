//! Notices of what has become of things: their way by time that is handed in, and the outbox that keeps them.

#[path = "notices/outbox.rs"]
mod outbox;
#[path = "notices/way.rs"]
mod way;
