//! Starts a sandbox and keeps it until Enter is pressed or this program is killed.

use std::io;
use std::process::ExitCode;

use flash_sandbox::{Options, Sandbox};

fn main() -> ExitCode {
    let options = Options {
        tcp: std::env::args().any(|argument| argument == "--tcp"),
        ..Options::default()
    };
    match Sandbox::start(&options) {
        Ok(sandbox) => {
            eprintln!("{}", sandbox.announce());
            // A line, the end of the input and an error all mean that it is over.
            let _any = io::stdin().read_line(&mut String::new());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
