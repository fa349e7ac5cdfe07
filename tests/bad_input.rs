//! Bad input from all sides: each kind is answered with an error that names the fault, and the server goes on.

mod support;

use support::deposit::deposit_works;
use support::server::Server;

#[test]
fn a_deposit_works() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    deposit_works(&server, "m1");
}
