//! Attacks as the file beside this one says. There is nothing to change here.

mod strategy;

fn main() -> std::process::ExitCode {
    flash_workshop::given::break_in::<strategy::Mallory>()
}
