//! The table at the end: what was carried, how fast, and whether it is the same.

use std::time::Duration;

use serde_json::json;

use super::super::local::LocalFile;

/// One file's way.
pub(super) struct Row {
    file: String,
    octets: u64,
    sha256: String,
    uri: Option<String>,
    deposit: Option<Duration>,
    retrieve: Option<Duration>,
}

impl Row {
    pub(super) fn new(file: &LocalFile) -> Self {
        let (name, sha256) = (file.name().to_owned(), file.sha256.hex());
        Self { file: name, octets: file.size, sha256, uri: None, deposit: None, retrieve: None }
    }

    pub(super) fn deposited(&mut self, took: Duration, uri: &str) {
        (self.deposit, self.uri) = (Some(took), Some(uri.to_owned()));
    }

    /// The file came back the same.
    pub(super) const fn retrieved(&mut self, took: Duration) {
        self.retrieve = Some(took);
    }

    const fn verdict(&self) -> &'static str {
        match (self.deposit, self.retrieve) {
            (_, Some(_)) => "same",
            (Some(_), None) => "not retrieved",
            (None, None) => "not deposited",
        }
    }

    /// Millions of octets a second, call set-up included.
    fn rate(&self, took: Option<Duration>) -> Option<f64> {
        took.map(|took| self.octets as f64 / 1e6 / took.as_secs_f64().max(1e-6))
    }
}

/// For people.
pub(super) fn text(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.file.chars().count()).max().unwrap_or(0).max(4);
    let head = format!(
        "\n{:width$}  {:>12}  {:>12}  {:>13}  {:16}  verdict\n",
        "file", "octets", "deposit MB/s", "retrieve MB/s", "sha-256"
    );
    let shown = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let line = |row: &Row| {
        let (deposit, retrieve) = (shown(row.rate(row.deposit)), shown(row.rate(row.retrieve)));
        let (file, octets, sha256, verdict) = (&row.file, row.octets, &row.sha256[..16], row.verdict());
        format!("{file:width$}  {octets:>12}  {deposit:>12}  {retrieve:>13}  {sha256}  {verdict}\n")
    };
    head + &rows.iter().map(line).collect::<String>()
}

/// For programs.
pub(super) fn json(rows: &[Row]) -> String {
    let line = |row: &Row| {
        json!({ "file": row.file, "octets": row.octets, "sha256": row.sha256, "uri": row.uri,
            "deposit_mb_per_s": row.rate(row.deposit), "retrieve_mb_per_s": row.rate(row.retrieve),
            "verdict": row.verdict() })
        .to_string()
            + "\n"
    };
    rows.iter().map(line).collect()
}
