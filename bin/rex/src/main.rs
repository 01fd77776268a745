//! The `rex` command.

fn main() {}
