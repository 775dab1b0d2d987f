//! Examines the test beside this file. There is nothing to change here.

mod strategy;

fn main() -> std::process::ExitCode {
    flash_workshop::given::examine(strategy::test, include_str!("strategy.rs"))
}
