//! The only door to the world: everything that touches a file, a socket or a clock.

pub mod files;
