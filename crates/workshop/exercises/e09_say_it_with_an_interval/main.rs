//! Judges the claims beside this file. There is nothing to change here.

mod strategy;

fn main() -> std::process::ExitCode {
    flash_workshop::given::examine_claims(strategy::CLAIMS)
}
