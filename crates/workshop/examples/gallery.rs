//! Every start, solution and near miss in one program: `gallery --variant e01/solution`.
//! What proves the exercises links once, and not once for each of them.

use std::process::ExitCode;

use clap::Parser;
use flash_server::cli::Settings;
use flash_workshop::given::{Make, Sells, serve_with, served};

#[path = "../answers/e01_one_statement/misses/a_number_from_before.rs"]
mod e01_a_number_from_before;
#[path = "../answers/e01_one_statement/misses/an_error_for_an_answer.rs"]
mod e01_an_error_for_an_answer;
#[path = "../answers/e01_one_statement/misses/anything_is_enough.rs"]
mod e01_anything_is_enough;
#[path = "../answers/e01_one_statement/misses/off_by_one.rs"]
mod e01_off_by_one;
#[path = "../answers/e01_one_statement/solution.rs"]
mod e01_solution;
#[path = "../answers/e01_one_statement/start.rs"]
mod e01_start;

const VARIANTS: &[(&str, Make)] = &[
    ("e01/start", of::<e01_start::Strategy>()),
    ("e01/solution", of::<e01_solution::Strategy>()),
    (
        "e01/miss/a_number_from_before",
        of::<e01_a_number_from_before::Strategy>(),
    ),
    (
        "e01/miss/an_error_for_an_answer",
        of::<e01_an_error_for_an_answer::Strategy>(),
    ),
    (
        "e01/miss/anything_is_enough",
        of::<e01_anything_is_enough::Strategy>(),
    ),
    ("e01/miss/off_by_one", of::<e01_off_by_one::Strategy>()),
];

const fn of<E: Sells>() -> Make {
    (served::<E>, E::USES_REDIS)
}

#[derive(Parser)]
struct Args {
    /// What is served
    #[arg(long)]
    variant: String,

    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let Args { variant, settings } = Args::parse();
    let found = VARIANTS.iter().find(|(name, _)| *name == variant);
    let Some((_, make)) = found else {
        let names: Vec<_> = VARIANTS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no {variant}: there are {}", names.join(", "));
        return ExitCode::from(2);
    };
    serve_with(settings, *make)
}
