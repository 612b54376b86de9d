//! The `tapwatch` command.

use std::process::ExitCode;

use clap::Parser;
use tapwatch::cli::{Cli, main as command};

fn main() -> ExitCode {
    match command(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tapwatch: {error:#}");
            ExitCode::FAILURE
        }
    }
}
