//! The `ft.*` variables: what is known of a file, and what has become of its transfer.

use std::ops::Range;
use std::time::Duration;

use crate::model::{DigestAlgorithm, FileInfo};

/// Variables with their values, each name once.
pub(super) type Variables = Vec<(String, String)>;

/// Gives a variable its value, whether it had one or not.
pub(super) fn set(variables: &mut Variables, name: &str, value: impl ToString) {
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), value.to_string()));
}

/// What a file says of itself.
pub(super) fn of_file(info: &FileInfo) -> Variables {
    let hash = info.digest(DigestAlgorithm::Sha256);
    let known = [
        ("ft.name", info.name.clone()),
        ("ft.type", info.media_type.clone()),
        ("ft.size", info.size.map(|size| size.to_string())),
        ("ft.hash", hash.map(|hash| format!("{}:{}", hash.algorithm().name(), hash.hex()))),
        ("ft.disposition", info.disposition.clone()),
        ("ft.date", info.created.clone()),
        ("ft.transferid", info.transfer_id.clone()),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Which octets of it have moved.
pub(super) fn moved(variables: &mut Variables, part: Range<u64>, took: Duration) {
    let octets = part.end - part.start;
    set(variables, "ft.offset", part.start);
    if octets > 0 {
        set(variables, "ft.range", format!("{}-{}", part.start + 1, part.end)); // RFC 5547 §6 counts from 1
    }
    volume(variables, octets, took);
}

/// How many octets have moved in which time.
pub(super) fn volume(variables: &mut Variables, octets: u64, took: Duration) {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    set(variables, "ft.bytes", octets);
    set(variables, "ft.duration", millis);
    set(variables, "ft.rate", octets.saturating_mul(1000) / millis.max(1));
}

/// How it ended.
pub(super) fn ended(variables: &mut Variables, result: &str, status: Option<u16>, report: Option<&str>) {
    if let Some(status) = status {
        set(variables, "ft.status", status);
    }
    if let Some(report) = report {
        set(variables, "ft.report", report);
    }
    set(variables, "ft.result", result);
}

/// The value of `ft.report` when the file is through.
pub(super) const fn reported(asked: bool) -> &'static str {
    if asked { "complete" } else { "none" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn value<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
        variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn what_nobody_knows_of_a_file_is_no_variable() {
        let info = FileInfo { size: Some(7), digests: vec![Digest::sha256([1; 32])], ..FileInfo::default() };
        let variables = of_file(&info);
        assert_eq!(value(&variables, "ft.size"), Some("7"));
        assert_eq!(value(&variables, "ft.hash").map(str::len), Some("sha-256:".len() + 64));
        assert_eq!(variables.len(), 2);
    }

    #[test]
    fn octets_are_counted_from_one_and_a_rate_needs_no_time() {
        let mut variables = Variables::new();
        moved(&mut variables, 3..13, Duration::from_millis(20));
        assert_eq!((value(&variables, "ft.range"), value(&variables, "ft.offset")), (Some("4-13"), Some("3")));
        assert_eq!((value(&variables, "ft.bytes"), value(&variables, "ft.rate")), (Some("10"), Some("500")));
        volume(&mut variables, 5, Duration::ZERO);
        assert_eq!((value(&variables, "ft.rate"), variables.len()), (Some("5000"), 5));
        let mut nothing = Variables::new();
        moved(&mut nothing, 3..3, Duration::ZERO);
        assert_eq!(value(&nothing, "ft.range"), None);
    }
}
