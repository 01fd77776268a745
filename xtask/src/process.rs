//! Running other programs: inherit their output, or show it and keep it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use eyre::{Context, Result, bail};

/// A cargo command in the workspace.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    command(root, std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Any command, started in `dir`.
pub(crate) fn command(dir: &Path, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).args(args);
    command
}

/// Runs to the end; a non-zero exit is an error that names the command.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command.status().wrap_err_with(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let out = command.stderr(Stdio::inherit()).output();
    let out = out.wrap_err_with(|| format!("start {}", shown(command)))?;
    if !out.status.success() {
        bail!("{} failed ({})", shown(command), out.status);
    }
    String::from_utf8(out.stdout).wrap_err_with(|| format!("output of {}", shown(command)))
}

/// What a program printed and whether it succeeded.
pub(crate) struct Shown {
    pub(crate) output: String,
    pub(crate) success: bool,
}

/// Runs to the end, showing standard output as it comes and keeping a copy.
pub(crate) fn show(command: &mut Command) -> Result<Shown> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.wrap_err_with(|| format!("start {}", shown(command)))?;
    let mut output = String::new();
    let stdout = child.stdout.take().expect("standard output is piped");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.wrap_err("read the output of a child")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        output.push_str(&line);
        output.push('\n');
    }
    let success = child.wait().wrap_err("wait for a child")?.success();
    Ok(Shown { output, success })
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
