//! Bad input from all sides: each kind gets an error that names the fault, and the server goes on as if nothing was.

#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/msml.rs"]
mod msml;
#[path = "bad_input/noise.rs"]
mod noise;
#[path = "bad_input/offers.rs"]
mod offers;
#[path = "bad_input/shared.rs"]
mod shared;
#[path = "bad_input/start.rs"]
mod start;
mod support;

use std::time::Duration;

use support::deposit::deposit_works;
use support::server::House;

impl House {
    /// What every test ends with.
    fn ends_well(mut self) {
        assert!(self.server.is_running());
        deposit_works(&self.server, "proof");
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
    }
}

/// Far longer than what must not happen would take.
const A_WHILE: Duration = Duration::from_secs(5);
