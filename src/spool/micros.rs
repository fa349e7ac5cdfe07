//! Moments in records: microseconds since 1970 (UTC), by `#[serde(with = "micros")]`.

use serde::{Deserialize as _, Deserializer, Serializer};

use crate::model::Wall;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
pub(super) fn serialize<S: Serializer>(wall: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(wall.micros())
}

pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Wall, D::Error> {
    u64::deserialize(deserializer).map(Wall::from_micros)
}
