//! Boxes: what they may hold, how long they keep it, and what an operator may do with it.

#[path = "boxes/copies.rs"]
mod copies;
#[path = "boxes/crash.rs"]
mod crash;
#[path = "sim/disk.rs"]
mod disk;
#[path = "boxes/fates.rs"]
mod fates;
#[path = "boxes/house.rs"]
mod house;
#[path = "boxes/model.rs"]
mod model;
#[path = "boxes/quota.rs"]
mod quota;
#[path = "boxes/routes.rs"]
mod routes;
mod support;
#[path = "boxes/waiting.rs"]
mod waiting;
#[path = "boxes/wire.rs"]
mod wire;
