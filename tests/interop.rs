//! Restante with programs that others wrote: SIPp plays application server and phone, a Python endpoint moves the
//! octets, tshark reads everything that was said.

#[path = "interop/flows.rs"]
mod flows;
#[path = "interop/phones.rs"]
mod phones;
#[path = "interop/reading.rs"]
mod reading;
mod support;
