//! The engine on real stores: what all strategies share, and what only it has to survive.

mod commit;
mod crowds;
mod elsewhere;
mod gate;
mod keys;
mod locked;
mod postgres;
mod races;
mod refusals;
mod scripts;
mod suites;
mod tampering;
mod topologies;
