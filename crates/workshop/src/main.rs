//! Does the exercises; see `learn --help`.

fn main() {}
