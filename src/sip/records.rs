//! What DNS says of a SIP domain, and in which order it is tried (RFC 3263, 2782): pure, so that every draw can be replayed.

use super::flow::Transport;
use super::target::Target;
use crate::model::Mint;

/// One NAPTR record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Of one order, lower ones first.
    pub preference: u16,
    /// `s` leads to SRV records; nothing else is of use here.
    pub flags: String,
    /// Like `SIP+D2U`.
    pub service: String,
    /// The name to ask for next.
    pub replacement: String,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Of one priority, heavier ones more often.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its host, without the dot at the end; empty where the service is said not to be there.
    pub host: String,
}

impl Target {
    /// Whether its domain is asked for NAPTR records: neither transport nor port is told (RFC 3263 §4.1).
    pub const fn is_open(&self) -> bool {
        self.transport.is_none() && self.port.is_none()
    }

    /// What a NAPTR set of its domain leads to: transports and the names of their SRV records, in their order.
    pub fn services(&self, mut records: Vec<Naptr>) -> Vec<(Transport, String)> {
        records.sort_by_key(|record| (record.order, record.preference));
        let transport = |service: &str| match service.to_ascii_uppercase().as_str() {
            "SIPS+D2T" => Some(Transport::Tls),
            "SIP+D2T" if !self.secure => Some(Transport::Tcp),
            "SIP+D2U" if !self.secure => Some(Transport::Udp),
            _ => None,
        };
        let leads = |record: &Naptr| record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty();
        let service = |record: Naptr| Some((transport(&record.service)?, record.replacement));
        records.into_iter().filter(leads).filter_map(service).collect()
    }

    /// The SRV names that are asked for without a NAPTR record: of its transport, or of each that we speak.
    pub fn usual_services(&self) -> Vec<(Transport, String)> {
        let transports = match (self.transport, self.secure) {
            (Some(transport), _) => vec![transport],
            (None, true) => vec![Transport::Tls],
            (None, false) => vec![Transport::Udp, Transport::Tcp, Transport::Tls],
        };
        let name = |transport| match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        transports.into_iter().map(|transport| (transport, format!("{}.{}", name(transport), self.host))).collect()
    }

    /// The transport when nothing says which (RFC 3263 §4.1).
    pub fn usual_transport(&self) -> Transport {
        self.transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp })
    }
}

/// RFC 2782: by priority; of one priority each in turn by a draw in which its weight counts.
pub fn in_order(mut records: Vec<Srv>, mint: &mut Mint) -> Vec<Srv> {
    // Those without weight come first of the others' draws, so that they have a chance, if a small one.
    records.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = records.iter().take_while(|record| record.priority == priority);
        let sum: u64 = group.map(|record| u64::from(record.weight)).sum();
        let draw = mint.number() % (sum + 1);
        let mut running = 0;
        let reaches = |record: &Srv| {
            running += u64::from(record.weight);
            running >= draw
        };
        let at = records.iter().position(reaches).unwrap_or(0);
        ordered.push(records.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
        let (service, replacement) = (service.to_owned(), replacement.to_owned());
        Naptr { order, preference, flags: "s".to_owned(), service, replacement }
    }

    #[test]
    fn naptr_records_are_taken_in_their_order_and_only_those_that_we_speak() {
        let records = vec![
            naptr(20, 1, "SIP+D2U", "_sip._udp.example.org"),
            naptr(10, 5, "SIP+D2T", "_sip._tcp.example.org"),
            naptr(10, 1, "SIPS+D2T", "_sips._tcp.example.org"),
            naptr(1, 1, "SIP+D2S", "_sip._sctp.example.org"),
            Naptr { flags: "u".to_owned(), ..naptr(1, 1, "SIP+D2U", "x") },
        ];
        let found = |uri: &str| Target::of(uri).expect("a target").services(records.clone());
        let transports = |uri: &str| found(uri).into_iter().map(|(transport, _)| transport).collect::<Vec<_>>();
        assert_eq!(transports("sip:example.org"), [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(transports("sips:example.org"), [Transport::Tls]);
        assert_eq!(found("sip:example.org")[1].1, "_sip._tcp.example.org");
    }

    #[test]
    fn without_naptr_the_usual_names_are_asked_for() {
        let names = |uri: &str| -> Vec<String> {
            Target::of(uri).expect("a target").usual_services().into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(names("sip:a@x.org"), ["_sip._udp.x.org", "_sip._tcp.x.org", "_sips._tcp.x.org"]);
        assert_eq!(names("sips:a@x.org"), ["_sips._tcp.x.org"]);
        assert_eq!(names("sip:a@x.org;transport=tcp"), ["_sip._tcp.x.org"]);
    }

    #[test]
    fn srv_records_come_by_priority_and_heavier_ones_more_often_first() {
        let srv = |priority, weight, host: &str| Srv { priority, weight, port: 5060, host: host.to_owned() };
        let records = vec![srv(2, 0, "last"), srv(1, 90, "heavy"), srv(1, 10, "light"), srv(1, 0, "none")];
        let mut mint = Mint::from_number(1);
        let mut first = std::collections::BTreeMap::new();
        for _ in 0..1000 {
            let ordered = in_order(records.clone(), &mut mint);
            assert_eq!((ordered.len(), ordered[3].host.as_str()), (4, "last"));
            *first.entry(ordered[0].host.clone()).or_insert(0) += 1;
        }
        assert!((820..970).contains(&first["heavy"]) && (40..160).contains(&first["light"]), "{first:?}");
        assert!(first.get("none").is_none_or(|often| *often < 40), "{first:?}");
    }
}
