//! More calls than can be served, by SIPp: each is served to its end or refused at once, and nobody waits for long.

mod support;

use std::fs;
use std::process::Command;

use support::missing;
use support::server::House;

/// Calls offered a second: more than a build without optimisation serves on two cores.
const RATE: u32 = 2500;

/// Calls offered in all.
const CALLS: u32 = 5000;

/// Memory for all that is meanwhile under way or kept to know copies by, in KiB. One call takes about 4.
const KIB: u64 = 128 * 1024;

/// A column of SIPp's statistics, as it is at the end.
fn column(statistics: &str, name: &str) -> u32 {
    let mut lines = statistics.lines().map(|line| line.split(';'));
    let at = lines.next().and_then(|mut names| names.position(|known| known == name)).expect("a known column");
    let last = lines.next_back().and_then(|mut values| values.nth(at).map(str::to_owned));
    last.and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn whatever_is_offered_each_call_is_served_to_its_end_or_refused_at_once() {
    if missing("sipp") {
        return;
    }
    let house = House::new(&[]);
    let before = house.server.memory("VmRSS");
    let mut sipp = Command::new("sipp");
    sipp.current_dir(house.dir.path());
    sipp.args([
        "-sf",
        concat!(env!("CARGO_MANIFEST_DIR"), "/benches/calls/deposit.xml"),
        "-t",
        "t1",
        "-nr",
        "-nostdin",
    ]);
    sipp.args(["-i", "127.0.0.1", "-r", &RATE.to_string(), "-m", &CALLS.to_string(), "-l", &CALLS.to_string()]);
    // No answer may take so long: a caller that waits for more has given up.
    sipp.args(["-recv_timeout", "20000", "-timeout", "120", "-trace_err", "-error_file", "sipp.err"]);
    sipp.args(["-trace_stat", "-stf", "sipp.csv", "-fd", "1", &house.server.sip("tcp").to_string()]);
    let output = sipp.output().expect("sipp runs");
    let told = |name: &str| fs::read_to_string(house.dir.path().join(name)).unwrap_or_default();
    let (errors, statistics) = (told("sipp.err"), told("sipp.csv"));
    assert!(output.status.success(), "{}", errors.chars().take(4000).collect::<String>());
    assert_eq!((column(&statistics, "SuccessfulCall(C)"), column(&statistics, "FailedCall(C)")), (CALLS, 0));
    let refused = column(&statistics, "refused(C)");
    println!("{} of {CALLS} calls served, {refused} refused", CALLS - refused);
    assert!(refused < CALLS, "somebody is served");
    let more = house.server.memory("VmHWM").saturating_sub(before);
    assert!(more < KIB, "{more} KiB");
    assert!(house.server.http("/readyz").starts_with("HTTP/1.1 200"), "and the house is open again");
}
