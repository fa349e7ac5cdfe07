//! Places for connections, MSRP's and SIP's: so many in all, so many from one address, counted from the accept on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::limits::{MSRP_CONNECTIONS, MSRP_CONNECTIONS_PER_ADDRESS, SIP_FLOWS, SIP_FLOWS_PER_ADDRESS};

/// Who is here.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    /// Of all places.
    limit: usize,
    /// Of these, for one address.
    share: usize,
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// So many places, but never more than [`MSRP_CONNECTIONS`].
    pub(super) fn new(limit: usize) -> Self {
        Self::of(limit.min(MSRP_CONNECTIONS), MSRP_CONNECTIONS_PER_ADDRESS)
    }

    /// For SIP: a connection has its place before its handshake, which costs more than most of what follows.
    pub(super) fn of_sip() -> Self {
        Self::of(SIP_FLOWS, SIP_FLOWS_PER_ADDRESS)
    }

    fn of(limit: usize, share: usize) -> Self {
        Self(Arc::new(Mutex::new(Taken { limit, share, all: 0, by_address: HashMap::new() })))
    }

    /// A place for a connection with this address; `None` if the node, or the address's share of it, is full.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.lock();
        let here = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= taken.limit || here >= taken.share {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, here + 1);
        Some(Place { places: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_fills_its_share_and_no_more_and_a_place_left_is_free() {
        let places = Places::new(usize::MAX);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut taken: Vec<Place> =
            (0..MSRP_CONNECTIONS_PER_ADDRESS).map(|_| places.take(one).expect("a place")).collect();
        assert!(places.take(one).is_none());
        assert!(places.take(other).is_some());
        taken.pop();
        assert!(places.take(one).is_some());
        drop(taken);
        let left = places.lock();
        assert_eq!((left.all, left.by_address.len()), (0, 0));
    }

    #[test]
    fn sip_has_a_share_of_its_own() {
        let (places, one) = (Places::of_sip(), IpAddr::from([192, 0, 2, 1]));
        let taken: Vec<Place> = std::iter::from_fn(|| places.take(one)).collect();
        assert_eq!(taken.len(), SIP_FLOWS_PER_ADDRESS);
        assert!(places.take(IpAddr::from([192, 0, 2, 2])).is_some());
    }

    #[test]
    fn the_whole_node_has_its_limit_too() {
        let places = Places::new(usize::MAX);
        let taken: Vec<Place> =
            (0u32..).map_while(|number| places.take(IpAddr::from((number % 250).to_be_bytes()))).collect();
        assert_eq!(taken.len(), MSRP_CONNECTIONS);
    }
}
