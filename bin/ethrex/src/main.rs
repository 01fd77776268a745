//! The `ethrex` command.

fn main() {}
