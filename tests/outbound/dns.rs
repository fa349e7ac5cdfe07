//! A name server for one domain.

use std::net::{SocketAddr, UdpSocket};

use simple_dns::rdata::{NAPTR, RData, SRV};
use simple_dns::{CLASS, CharacterString, Name, Packet, QTYPE, ResourceRecord, TYPE};

/// Answers until the test ends: `files.test` is reached by TCP, first at `first` and then at `second`, both on localhost.
pub(crate) fn serve(first: u16, second: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut octets = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            let query = Packet::parse(&octets[..length]).expect("a query");
            let question = query.questions.first().expect("a question").clone();
            let mut reply = Packet::new_reply(query.id());
            let name = question.qname.to_string();
            let mut add = |data| reply.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 60, data));
            match (question.qtype, name.as_str()) {
                (QTYPE::TYPE(TYPE::NAPTR), "files.test") => {
                    add(naptr(20, "SIP+D2U", "_sip._udp.files.test"));
                    add(naptr(10, "SIP+D2T", "_sip._tcp.files.test"));
                }
                (QTYPE::TYPE(TYPE::SRV), "_sip._tcp.files.test") => {
                    add(srv(2, second));
                    add(srv(1, first));
                }
                _ => {}
            }
            reply.questions.push(question);
            let octets = reply.build_bytes_vec().expect("a reply");
            socket.send_to(&octets, from).expect("it leaves");
        }
    });
    address
}

fn naptr(order: u16, service: &'static str, replacement: &'static str) -> RData<'static> {
    let text = |text: &'static str| CharacterString::new(text.as_bytes()).expect("a text");
    RData::NAPTR(NAPTR {
        order,
        preference: 1,
        flags: text("s"),
        services: text(service),
        regexp: text(""),
        replacement: Name::new_unchecked(replacement),
    })
}

fn srv(priority: u16, port: u16) -> RData<'static> {
    RData::SRV(SRV { priority, weight: 0, port, target: Name::new_unchecked("localhost") })
}
