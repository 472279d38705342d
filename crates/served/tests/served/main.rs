//! Tests of packs and of the client against a stub server on the loopback address.

mod client;
mod model;
mod packs;
mod stub;
mod surrogate;
