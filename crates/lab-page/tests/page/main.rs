//! The page in a real browser, from its first event to what the audit says.
//!
//! Needs Chromium, and `lab` with `server` beside it: `cargo build --bins` builds both.
//! Pictures of what was tested stay in `target/tmp`.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

mod browser;
mod ending;
mod keys;
mod running;
mod sale;
mod steps;
mod written;
