//! From a file, variables and flags to validated settings: every fault is found in one go, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::address::{Listen, Transport};
use super::error::{ConfigError, Fault, Origin};
use super::settings::Settings;
use super::table::{BOXES, PEERS, ROUTES, SECTIONS, TRUNKS, Tables, WEBHOOKS, key, nearest};
use super::value::Given;
use super::words::{FingerprintHash, Report, Sse};
use crate::model::Recipient;
use crate::model::limits::PART_OCTETS_MIN;

/// What variables begin with; `RESTANTE_SIP__LISTEN` sets `sip.listen`.
const VARIABLE_PREFIX: &str = "RESTANTE_";

/// What the caller has read: later sources win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's name, for messages, and its text.
    pub file: Option<(String, String)>,
    /// The environment: only `RESTANTE_SECTION__KEY` is looked at.
    pub variables: Vec<(String, String)>,
    /// Flag's name, key, values.
    pub flags: Vec<(String, &'static str, Vec<String>)>,
}

impl Settings {
    /// Reads all sources over the defaults and validates the outcome.
    ///
    /// # Errors
    /// Every fault found, in the order of the sources.
    pub fn load(sources: &Sources) -> Result<Self, Vec<ConfigError>> {
        let mut loader = Loader::default();
        if let Some((name, text)) = &sources.file {
            loader.file(name, text);
        }
        for (name, value) in &sources.variables {
            loader.variable(name, value);
        }
        for (flag, path, values) in &sources.flags {
            let given = match values.as_slice() {
                [one] => Given::One(one.clone()),
                many => Given::Many(many.to_vec()),
            };
            loader.set(&Origin::Flag(flag.clone()), path, &given);
        }
        loader.check();
        if loader.errors.is_empty() { Ok(loader.settings) } else { Err(loader.errors) }
    }
}

#[derive(Default)]
struct Loader {
    settings: Settings,
    /// Who set a key last, so that a check over several keys can point at a line.
    origins: BTreeMap<String, Origin>,
    errors: Vec<ConfigError>,
}

/// A file's name and text, to turn a span into a line.
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { name: self.name.to_owned(), line }
    }
}

impl Loader {
    fn fail(&mut self, origin: Origin, fault: Fault) {
        self.errors.push(ConfigError { origin, fault });
    }

    fn unknown(&mut self, origin: Origin, key: &str) {
        self.fail(origin, Fault::UnknownKey { key: key.to_owned(), nearest: nearest(key) });
    }

    fn set(&mut self, origin: &Origin, path: &str, given: &Given) {
        let Some(key) = path.split_once('.').and_then(|(section, name)| key(section, name)) else {
            return self.unknown(origin.clone(), path);
        };
        if let Err(misfit) = (key.field)(&mut self.settings).set(given) {
            self.fail(origin.clone(), Fault::Value { key: path.to_owned(), why: misfit.0 });
        }
        self.origins.insert(path.to_owned(), origin.clone());
    }

    fn variable(&mut self, name: &str, value: &str) {
        let Some((section, key)) = name.strip_prefix(VARIABLE_PREFIX).and_then(|rest| rest.split_once("__")) else {
            return; // RESTANTE_ without a section is somebody else's
        };
        let path = format!("{}.{}", section.to_ascii_lowercase(), key.to_ascii_lowercase().replace("__", "."));
        self.set(&Origin::Variable(name.to_owned()), &path, &Given::One(value.to_owned()));
    }

    fn file(&mut self, name: &str, text: &str) {
        let file = File { name, text };
        let root = match DeTable::parse(text) {
            Ok(root) => root.into_inner(),
            Err(error) => {
                let origin = file.origin(error.span().unwrap_or(0..0));
                return self.fail(origin, Fault::Syntax(error.message().to_owned()));
            }
        };
        for (section, value) in in_order(&root) {
            let known = SECTIONS.iter().any(|known| known.name == section.get_ref().as_ref());
            let name: &str = section.get_ref();
            let origin = file.origin(section.span());
            match value.get_ref() {
                _ if name == BOXES.name => self.tables(&file, value, &BOXES),
                _ if name == WEBHOOKS.name => self.tables(&file, value, &WEBHOOKS),
                _ if !known => self.unknown(origin, name),
                DeValue::Table(keys) => self.section(&file, name, keys),
                _ => {
                    let why = format!("expected a section, [{name}]");
                    self.fail(origin, Fault::Value { key: name.to_owned(), why });
                }
            }
        }
    }

    fn section(&mut self, file: &File<'_>, section: &str, keys: &DeTable<'_>) {
        for (name, value) in in_order(keys) {
            let path = format!("{section}.{}", name.get_ref());
            if path == PEERS.name {
                self.tables(file, value, &PEERS);
                continue;
            }
            if path == TRUNKS.name {
                self.tables(file, value, &TRUNKS);
                continue;
            }
            if path == ROUTES.name {
                self.tables(file, value, &ROUTES);
                continue;
            }
            let origin = file.origin(name.span());
            match (given(value.get_ref()), value.get_ref().as_table()) {
                (Some(given), _) => self.set(&origin, &path, &given),
                (None, Some(inner)) if group(&path) => self.section(file, &path, inner),
                (None, Some(inner)) => {
                    let first = inner.iter().next().map_or("", |(name, _)| name.get_ref());
                    self.unknown(origin, format!("{path}.{first}").trim_end_matches('.'));
                }
                (None, None) => self.fail(origin, Fault::Value { key: path, why: "a list within a list".to_owned() }),
            }
        }
    }

    fn tables<T: Default>(&mut self, file: &File<'_>, value: &Spanned<DeValue<'_>>, tables: &Tables<T>) {
        let entries = value.get_ref().as_array();
        for table in entries.into_iter().flat_map(|array| array.iter()) {
            match table.get_ref() {
                DeValue::Table(keys) => self.table(file, table.span(), keys, tables),
                _ => self.no_tables(file.origin(table.span()), tables.name),
            }
        }
        if entries.is_none() {
            self.no_tables(file.origin(value.span()), tables.name);
        }
    }

    fn no_tables(&mut self, origin: Origin, name: &str) {
        let why = format!("expected tables, each under a line [[{name}]]");
        self.fail(origin, Fault::Value { key: name.to_owned(), why });
    }

    fn table<T: Default>(&mut self, file: &File<'_>, span: Range<usize>, keys: &DeTable<'_>, tables: &Tables<T>) {
        let mut entry = T::default();
        let number = (tables.list)(&mut self.settings).len();
        for (name, value) in in_order(keys) {
            let origin = file.origin(name.span());
            let path = format!("{}.{}", tables.name, name.get_ref());
            let known = tables.keys.iter().find(|key| key.name == name.get_ref().as_ref());
            let (Some(key), Some(given)) = (known, given(value.get_ref())) else {
                self.unknown(origin, &path);
                continue;
            };
            match (key.field)(&mut entry).set(&given) {
                Ok(()) => _ = self.origins.insert(format!("{path}[{number}]"), origin),
                Err(misfit) => self.fail(origin, Fault::Value { key: path, why: misfit.0 }),
            }
        }
        if let Some(why) = (tables.lacks)(&entry) {
            self.fail(file.origin(span), Fault::Value { key: tables.name.to_owned(), why: why.to_owned() });
        }
        (tables.list)(&mut self.settings).push(entry);
    }

    /// What no single value shows.
    fn check(&mut self) {
        let s = self.settings.clone();
        self.demand("sip.listen", !s.sip.listen.is_empty(), "nothing to listen on");
        self.demand("sip.answer_timeout", !s.sip.answer_timeout.is_zero(), "must be more than nothing");
        let web = s.sip.listen.iter().any(|listen| matches!(listen.transport, Transport::Ws | Transport::Wss));
        self.demand("sip.listen", !web, "SIP over WebSockets is not there");
        let outbound = &s.sip.outbound;
        for (key, uri) in [("sip.outbound.proxy", &outbound.proxy), ("sip.outbound.from", &outbound.from)] {
            let is_uri = uri.as_ref().is_none_or(|uri| uri.starts_with("sip:") || uri.starts_with("sips:"));
            self.demand(key, is_uri, "has to be a SIP URI, like sip:proxy.example.org");
        }
        let numeric = s.sip.nameservers.iter().all(|server| server.ip().is_some());
        self.demand("sip.nameservers", numeric, "a name server is told by its address");
        let paired = outbound.user.is_some() == outbound.password_file.is_some();
        self.demand("sip.outbound.user", paired, "an account and its sip.outbound.password_file come together");
        self.demand("msrp.listen", !s.msrp.listen.is_empty(), "nothing to listen on");
        let streams = s.msrp.listen.iter().all(|listen| listen.transport != Transport::Udp);
        self.demand("msrp.listen", streams, "MSRP runs over tcp, tls or WebSockets (RFC 4975 §6, 7977)");
        let far = |listen: &Listen| listen.transport == Transport::Ws && !listen.host.is_loopback();
        let near = !s.msrp.listen.iter().any(far);
        self.demand("msrp.listen", near, "ws is for this machine alone; others come by wss (RFC 7977 §5.1)");
        for (key, tls) in [("sip.tls.cert", &s.sip.tls), ("msrp.tls.cert", &s.msrp.tls)] {
            self.demand(key, tls.cert.is_some() == tls.key.is_some(), "a certificate and its key come together");
        }
        let strong = s.msrp.hashes.contains(&FingerprintHash::Sha256);
        self.demand("msrp.tls.hashes", strong, "sha-256 has to be among them (RFC 8122 §5): every peer has it");
        self.demand("msrp.hold", !s.msrp.hold.is_zero(), "must be more than nothing");
        self.demand("msrp.chunk", s.msrp.chunk > 0, "must be more than nothing");
        self.demand("msrp.max_size", s.msrp.max_size > 0, "must be more than nothing");
        self.demand(
            "msrp.accept_types",
            !s.msrp.accept_types.is_empty(),
            "nothing would be accepted; \"*\" is any type",
        );
        let account = s.msrp.relay_user.is_some() && s.msrp.relay_password_file.is_some();
        let why = "needs msrp.relay_user and msrp.relay_password_file: a relay serves nobody it does not know";
        self.demand("msrp.relay", s.msrp.relay.is_empty() || account, why);
        let whole = s.msrp.relay_expires.is_none_or(|expires| !expires.is_zero() && expires.subsec_millis() == 0);
        self.demand("msrp.relay_expires", whole, "has to be one second or more, in whole seconds (RFC 4976 §4.6)");
        let local = s.reports().all(|report| report == Report::Disk) || s.spool.url.is_some();
        self.demand("spool.report", local, "needs a bucket: spool.url = \"s3://BUCKET/PREFIX\"");
        self.demand("spool.part", s.spool.part >= PART_OCTETS_MIN, "S3 takes no parts under 5 MiB");
        let keyed = s.spool.sse_key.is_none() || s.spool.sse == Sse::Kms;
        self.demand("spool.sse_key", keyed, "only aws:kms has keys");
        self.demand("spool.scrub_rate", s.spool.scrub_rate > 0, "must be more than nothing");
        let doubles = s.queue.backoff_min <= s.queue.backoff_max;
        self.demand("queue.backoff_min", doubles, "may not be above queue.backoff_max");
        for (key, number) in [("queue.concurrency", s.queue.concurrency), ("queue.active", s.queue.active)] {
            self.demand(key, number > 0, "has to be 1 or more");
        }
        let doubles = s.notices.backoff_min <= s.notices.backoff_max && !s.notices.backoff_min.is_zero();
        self.demand("notices.backoff_min", doubles, "has to be more than nothing, and not above notices.backoff_max");
        self.demand("notices.lifetime", !s.notices.lifetime.is_zero(), "must be more than nothing");
        let names: BTreeSet<_> = s.webhooks.iter().map(|webhook| &webhook.name).collect();
        self.demand("webhooks.name", names.len() == s.webhooks.len(), "two webhooks have the same name");
        let falls = s.spool.low_water <= s.spool.high_water;
        self.demand("spool.low_water", falls, "may not be above spool.high_water");
        let keyless = s.spool.keys.is_empty() && s.boxes.iter().any(|class| class.encrypt);
        self.demand("spool.keys", !keyless, "boxes with encrypt = true need a key: NAME:FILE");
        let names: BTreeSet<&str> = s.spool.keys.iter().map(|key| key.name.as_str()).collect();
        self.demand("spool.keys", names.len() == s.spool.keys.len(), "two keys have the same name");
        self.demand("http.listen", s.http.listen.port.is_some(), "needs a port; port 0 lets the system choose one");
        let guarded = s.http.listen.is_loopback() || s.http.token_file.is_some();
        self.demand("http.listen", guarded, "anything but loopback needs http.token_file, a file with a bearer token");
        self.check_routes();
    }

    /// What a rule does by itself an operator has to have allowed, and it leads away from here.
    fn check_routes(&mut self) {
        for (number, route) in self.settings.routes.clone().iter().enumerate() {
            let Some((host, port)) = route.to.as_ref().map(Recipient::place) else { continue };
            let why = if !self.settings.policy.forward.iter().any(|domain| domain.has(host)) {
                format!("policy.forward does not allow {host}")
            } else if self.settings.sip.is_here(host, port) {
                format!("{host} is this server: what is forwarded to itself never arrives")
            } else {
                continue;
            };
            let origin = self.origins.get(&format!("queue.route.to[{number}]")).cloned().unwrap_or(Origin::Default);
            self.fail(origin, Fault::Value { key: "queue.route.to".to_owned(), why });
        }
    }

    fn demand(&mut self, key: &str, holds: bool, why: &str) {
        if holds {
            return;
        }
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        self.fail(origin, Fault::Value { key: key.to_owned(), why: why.to_owned() });
    }
}

/// Whether there are keys that begin with this and a dot: `[sip.tls]`.
fn group(path: &str) -> bool {
    path.split_once('.').is_some_and(|(section, group)| {
        let keys = SECTIONS.iter().filter(|known| known.name == section).flat_map(|section| section.keys);
        keys.into_iter().any(|key| key.name.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')))
    })
}

/// The entries as the file has them, not sorted by name.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// A value or a list of values as text; `None` for a table, a sub-key that nothing has.
fn given(value: &DeValue<'_>) -> Option<Given> {
    match value {
        DeValue::Array(items) => {
            items.iter().map(|item| scalar(item.get_ref())).collect::<Option<_>>().map(Given::Many)
        }
        _ => scalar(value).map(Given::One),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(moment) => Some(moment.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
