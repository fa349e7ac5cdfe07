//! The links of a node: how each is reached, and how many there are to one address.

use std::collections::HashMap;
use std::net::IpAddr;

use tokio::sync::mpsc;

use crate::engine::{Command, LinkId};
use crate::model::limits::{MSRP_CONNECTIONS, MSRP_CONNECTIONS_PER_ADDRESS};

/// How a link is reached, and who is at its other end.
struct Reach {
    commands: mpsc::Sender<Command>,
    peer: Option<IpAddr>,
}

/// Every link, found by its id, and counted by its peer's address.
#[derive(Default)]
pub(super) struct Links {
    reaches: HashMap<LinkId, Reach>,
    per_address: HashMap<Option<IpAddr>, usize>,
}

impl Links {
    pub(super) fn add(&mut self, id: LinkId, commands: mpsc::Sender<Command>, peer: Option<IpAddr>) {
        self.reaches.insert(id, Reach { commands, peer });
        *self.per_address.entry(peer).or_default() += 1;
    }

    pub(super) fn remove(&mut self, id: LinkId) {
        let Some(Reach { peer, .. }) = self.reaches.remove(&id) else { return };
        if let Some(count) = self.per_address.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&peer);
            }
        }
    }

    /// Where a link takes its commands.
    pub(super) fn commands(&self, id: LinkId) -> Option<&mpsc::Sender<Command>> {
        self.reaches.get(&id).map(|reach| &reach.commands)
    }

    /// Whether the node, or this peer's share of it, has no place for another link.
    pub(super) fn are_full_for(&self, peer: Option<IpAddr>) -> bool {
        let from_there = self.per_address.get(&peer).copied().unwrap_or(0);
        self.reaches.len() >= MSRP_CONNECTIONS || from_there >= MSRP_CONNECTIONS_PER_ADDRESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S15
    #[test]
    fn an_address_has_its_share_of_places_and_gets_back_what_it_leaves() {
        let mut links = Links::default();
        let (commands, _commands) = mpsc::channel(1);
        let peer = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        for number in 0..MSRP_CONNECTIONS_PER_ADDRESS as u64 {
            assert!(!links.are_full_for(peer(1)));
            links.add(LinkId(number), commands.clone(), peer(1));
        }
        assert_eq!((links.are_full_for(peer(1)), links.are_full_for(peer(2))), (true, false));
        links.remove(LinkId(7));
        links.remove(LinkId(7));
        assert!(!links.are_full_for(peer(1)));
        for number in 0..MSRP_CONNECTIONS as u64 {
            links.add(LinkId(1_000_000 + number), commands.clone(), peer(3));
        }
        assert!(links.are_full_for(peer(2)), "the node is full for everybody");
    }
}
