//! Boxes: what they may hold, how long they keep it, and what an operator may do with it.

#[path = "sim/disk.rs"]
mod disk;
#[path = "boxes/house.rs"]
mod house;
#[path = "boxes/quota.rs"]
mod quota;
mod support;
#[path = "boxes/wire.rs"]
mod wire;
