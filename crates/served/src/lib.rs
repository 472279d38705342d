#![doc = include_str!("../README.md")]

pub mod client;
pub mod pack;
pub mod picture;
pub mod request;
