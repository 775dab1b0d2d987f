#![doc = include_str!("../README.md")]

pub mod given;
pub mod table;
pub mod judging;
pub mod learn;
