#![doc = include_str!("../README.md")]

pub mod cli;
mod given;
pub mod audit;
pub mod demo;
pub mod doctor;
