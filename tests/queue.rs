//! The queue on a model of a disk, with peers that are a table: what is promised of deliveries, by time that is handed in.

#[path = "sim/disk.rs"]
mod disk;
#[path = "queue/race.rs"]
mod race;
#[path = "queue/sim.rs"]
mod sim;
#[path = "queue/stories.rs"]
mod stories;
#[path = "queue/world.rs"]
mod world;
