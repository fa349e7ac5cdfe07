# What CI does, and what a developer wants at hand. `just` lists it.

_list:
    @just --list --unsorted

# Formatting and lints
check:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# Everything CI runs, tools included
test:
    tests/run

# Whole worlds in virtual time, and the spool with every step of the file system failing once
sim seeds="200":
    SIM_SEEDS={{ seeds }} cargo nextest run --locked --test sim --test spool_crash

# The laws, each with many more made-up inputs than CI gives them
fuzz cases="20000":
    PROPTEST_CASES={{ cases }} cargo nextest run --locked --lib

# The whole story on loopback: server, application server, Alice and Bob
demo *arguments:
    cargo run --locked -- demo {{ arguments }}

# Licences, bans, sources and known vulnerabilities
deny:
    cargo deny --locked check

# docs/configuration.md after a change of src/config/table.rs
bless:
    RESTANTE_BLESS=1 cargo nextest run --locked --test configuration

# The API's documentation, private items included
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
