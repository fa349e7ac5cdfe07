//! The room as a whole: two endpoints on a bad network, and one endpoint that is spoken to by hand.

mod calls;
mod chaos;
mod hand;
mod network;
mod outgoing;
mod refusals;
mod streams;
mod timing;
mod torture;
mod users;
