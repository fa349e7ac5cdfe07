//! Files in a `message/cpim` (RFC 3862), through the real server: taken out on the way in, put into one on the way out.

#[path = "wrapped/bare.rs"]
mod bare;
#[path = "wrapped/notifications.rs"]
mod notifications;
#[path = "wrapped/phone.rs"]
mod phone;
#[path = "wrapped/receive.rs"]
mod receive;
#[path = "wrapped/send.rs"]
mod send;
mod support;
