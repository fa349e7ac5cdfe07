//! Offers and answers of whole calls: what the engine says in SIP, whom it connects to, and what it tells the sessions.

#[path = "negotiation/cema.rs"]
mod cema;
#[path = "negotiation/laws.rs"]
mod laws;
#[path = "negotiation/offers.rs"]
mod offers;
#[path = "negotiation/table.rs"]
mod table;
#[path = "negotiation/update.rs"]
mod update;
