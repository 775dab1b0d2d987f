//! A server program of one's own: it sells with one strategy, here that of phase 2.

use std::process::ExitCode;

use phase2_pessimistic::Strategy;

fn main() -> ExitCode {
    flash_server::program::run(async |shop| {
        shop.serve(Strategy::new(shop.pool())).await
    })
}
