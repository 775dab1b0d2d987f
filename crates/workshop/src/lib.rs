#![doc = include_str!("../README.md")]

pub mod excerpt;
pub mod page;
pub mod phases;
pub mod given;
pub mod table;
pub mod judging;
pub mod learn;
