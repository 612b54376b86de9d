//! The `tapwatch` command.

fn main() {}
