#![doc = include_str!("../README.md")]

pub mod excerpt;
pub mod page;
pub mod phases;
