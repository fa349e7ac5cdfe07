//! The settings as a commented file, and the manual of all keys.

use super::settings::Settings;
use super::table::{BOXES, Key, PEERS, ROUTES, SECTIONS, TRUNKS, Tables, WEBHOOKS};
use super::value::Given;

impl Settings {
    /// The effective settings as TOML that reads back as the same settings: every key with its default and meaning.
    pub fn to_toml(&self) -> String {
        let (mut mine, mut defaults) = (self.clone(), Self::default());
        let mut text = String::new();
        for section in SECTIONS {
            text += &format!("# {}\n[{}]\n", section.meaning, section.name);
            for key in section.keys {
                text += &entry(key, &mut mine, &mut defaults);
            }
            text.push('\n');
        }
        text += &entries(&PEERS, &mut mine);
        text.push('\n');
        text += &entries(&TRUNKS, &mut mine);
        text.push('\n');
        text += &entries(&BOXES, &mut mine);
        text.push('\n');
        text += &entries(&ROUTES, &mut mine);
        text.push('\n');
        text += &entries(&WEBHOOKS, &mut mine);
        text
    }
}

/// An array of tables; if it is empty, a commented example with every key.
fn entries<T: Default>(tables: &Tables<T>, settings: &mut Settings) -> String {
    let mut text = format!("# {}\n", tables.meaning);
    let list = (tables.list)(settings);
    if list.is_empty() {
        text += &format!("# [[{}]]\n", tables.name);
        let example = tables.keys.iter().map(|key| entry(key, &mut T::default(), &mut T::default()));
        for line in example.collect::<String>().lines() {
            text += &format!("{}{line}\n", if line.is_empty() || line.starts_with('#') { "" } else { "# " });
        }
    }
    for one in list {
        text += &format!("[[{}]]\n", tables.name);
        text += &tables.keys.iter().map(|key| entry(key, one, &mut T::default())).collect::<String>();
    }
    text
}

fn entry<T>(key: &Key<T>, mine: &mut T, defaults: &mut T) -> String {
    let field = (key.field)(mine);
    let (kind, value) = (field.kind(), field.shown());
    let default = (key.field)(defaults).shown();
    let default = default.map_or_else(|| "unset".to_owned(), |default| literal(&default));
    let line = value.map_or_else(|| format!("# {} =", key.name), |value| format!("{} = {}", key.name, literal(&value)));
    format!("\n# {}\n# {kind}; default: {default}\n{line}\n", key.meaning)
}

/// TOML's spelling of a value.
fn literal(given: &Given) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    match given {
        Given::One(text) => quoted(text),
        Given::Many(items) => format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")),
    }
}

/// `docs/configuration.md`, made from the table of keys.
pub fn manual() -> String {
    let mut text = MANUAL_HEAD.to_owned();
    for section in SECTIONS {
        text += &format!("\n## `[{}]`\n\n{}\n\n{TABLE_HEAD}", section.name, section.meaning);
        for key in section.keys {
            text += &row(key, &mut Settings::default());
        }
    }
    let tables = tables_manual(&PEERS) + &tables_manual(&TRUNKS) + &tables_manual(&BOXES);
    text + &tables + &tables_manual(&ROUTES) + &tables_manual(&WEBHOOKS)
}

fn tables_manual<T: Default>(tables: &Tables<T>) -> String {
    let Tables { name, meaning, keys, .. } = tables;
    let rows = keys.iter().map(|key| row(key, &mut T::default()));
    format!("\n## `[[{name}]]`\n\n{meaning} Only a file can hold them.\n\n{TABLE_HEAD}") + &rows.collect::<String>()
}

fn row<T>(key: &Key<T>, defaults: &mut T) -> String {
    let field = (key.field)(defaults);
    let default = field.shown().map_or_else(|| "unset".to_owned(), |default| format!("`{}`", literal(&default)));
    format!("| `{}` | {} | {default} | {} |\n", key.name, field.kind(), key.meaning)
}

const TABLE_HEAD: &str = "| key | type | default | meaning |\n|---|---|---|---|\n";

const MANUAL_HEAD: &str = "\
<!-- Made from src/config/table.rs by `RESTANTE_BLESS=1 cargo test --test configuration`; do not edit. -->

# Configuration

`restante` reads `restante.toml` in the working directory if there is one, or the file named by `--config`. On top of it come
environment variables, then flags. A variable is `RESTANTE_SECTION__KEY`: `RESTANTE_MSRP__HOLD=30s`, or for a list
`RESTANTE_SIP__LISTEN=udp:192.0.2.1:5060,tcp:192.0.2.1:5060`. An unknown key is an error that names the nearest known one.

`restante config print` shows the effective configuration as a file with every key, its default and its meaning;
`restante config check` names everything that is wrong.

* A *duration* is a whole number with `ms`, `s`, `m`, `h` or `d`: `\"200ms\"`, `\"20s\"`, `\"24h\"`, `\"5d\"`.
* A *size* is a whole number of octets, or with `KiB`, `MiB`, `GiB` or `TiB`: `65536`, `\"64KiB\"`, `\"4GiB\"`.
* Where a listen address says port 0, the system chooses one; the log line `listening` and `GET /readyz` name it.
";
