//! The room as a whole: two endpoints on a bad network, and one endpoint that is spoken to by hand.

mod calls;
mod chaos;
mod glare;
mod hand;
mod large;
mod network;
mod outgoing;
mod pages;
mod refusals;
mod rules;
mod said;
mod streams;
mod subscriptions;
mod timing;
mod torture;
mod users;
