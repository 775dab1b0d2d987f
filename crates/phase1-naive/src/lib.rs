#![doc = include_str!("../README.md")]

mod strategy;

pub use strategy::Strategy;
