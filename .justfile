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
laws cases="20000":
    PROPTEST_CASES={{ cases }} cargo nextest run --locked --lib

# One fuzz target (`ls fuzz/targets`); needs cargo-fuzz, but no nightly. New inputs go to fuzz/target/found
fuzz target seconds="60":
    mkdir -p fuzz/target/found/{{ target }}
    RUSTC_BOOTSTRAP=1 cargo fuzz run {{ target }} fuzz/target/found/{{ target }} fuzz/corpus/{{ target }} -- \
        -max_total_time={{ seconds }} -rss_limit_mb=1024

# The whole story on loopback: server, application server, Alice and Bob
demo *arguments:
    cargo run --locked -- demo {{ arguments }}

# Calls a second beside a bare SIPp in the same run, at rising rates; needs SIPp and a release build
calls *rates:
    benches/calls/run target/release/restante {{ rates }}

# Licences, bans, sources and known vulnerabilities
deny:
    cargo deny --locked check

# Kills and power cuts (the latter as root), as often as said; docs/reliability.md has the rest
crash rounds="100":
    KILL_ROUNDS={{ rounds }} POWER_ROUNDS={{ rounds }} cargo nextest run --locked --test server --test power --no-capture

# The documents that are made of the code: docs/configuration.md, docs/conformance.md and the table of docs/reliability.md
bless:
    RESTANTE_BLESS=1 cargo nextest run --locked --test configuration --test conformance

# The golden spools of the release in Cargo.toml, after its format was changed on purpose
golden:
    RESTANTE_BLESS=1 cargo nextest run --locked --test spool_golden -E 'test(the_format)'

# How fast MSRP is decoded, beside memmem and memcpy; what finding a session costs among few and among many; what
# durability costs, beside doing it by hand; what encryption costs; and how long a spool with so many objects takes to
# start
bench objects="10000":
    START_OBJECTS={{ objects }} cargo bench --locked --bench decode --bench lookup --bench spool --bench start --bench vault

# The API's documentation, private items included
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
