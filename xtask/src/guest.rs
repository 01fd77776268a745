//! Does what is proven still compile for a zkVM?
//!
//! A zkVM target has no prebuilt standard library, so it is built from source with the nightly compiler:
//! the sources come from Debian's `rust-src` package, unpacked into the cache beside a copy of
//! the toolchain. Nothing of the system's package state is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Context, OptionExt, Result, bail};

use crate::cache;
use crate::process::{capture, check as run, command};

const TOOLCHAIN: &str = "nightly";
/// The library release that the pinned nightly (1.97.0) compiles.
const RUST_SRC: &str = "1.97.1+dfsg1-1";
const TARGET: &str = "riscv32im-risc0-zkvm-elf";
/// Debian suites that may carry that release.
const SUITES: &str = "trixie forky sid";

/// Compiles `ethrex-program` for the guest target, and everything below it, without default features.
pub(crate) fn check(root: &Path) -> Result<()> {
    let cache = cache::root()?.join("guest");
    fs::create_dir_all(&cache).wrap_err_with(|| format!("create {}", cache.display()))?;
    let toolchain = toolchain(&cache)?;
    // The same flags as the risc0 build tools: a single core, no unwinding, entropy from the host.
    let flags =
        ["-C", "passes=lower-atomic", "-C", "panic=abort", "--cfg", "getrandom_backend=\"custom\""]
            .join("\u{1f}");
    let mut job = command(&probe(root, &cache)?, toolchain.join("bin/cargo"), &["build"]);
    job.args(["--target", TARGET, "-Zbuild-std=core,alloc,std,panic_abort,proc_macro"]);
    job.arg("-Zbuild-std-features=compiler-builtins-mem");
    job.env("RUSTC", toolchain.join("bin/rustc")).env("CARGO_ENCODED_RUSTFLAGS", flags);
    job.env("CARGO_TARGET_DIR", cache.join("target")).env_remove("RUSTUP_TOOLCHAIN");
    run(&mut job)?;
    println!("ethrex-program compiles for {TARGET}");
    Ok(())
}

/// A crate that stands where a guest would: it has no more than the program and the promise of a source of entropy, which every
/// guest makes. The workspace's lock file decides the versions.
fn probe(root: &Path, cache: &Path) -> Result<PathBuf> {
    let probe = cache.join("probe");
    fs::create_dir_all(probe.join("src")).wrap_err("make a guest crate")?;
    let program = root.join("crates/rollup/program");
    let manifest = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         ethrex-program = {{ path = {program:?}, default-features = false }}\n\
         getrandom = {{ version = \"0.2\", features = [\"custom\"] }}\n"
    );
    fs::write(probe.join("Cargo.toml"), manifest).wrap_err("write a guest's manifest")?;
    fs::write(probe.join("src/lib.rs"), "pub use ethrex_program;\n").wrap_err("write a guest")?;
    fs::copy(root.join("Cargo.lock"), probe.join("Cargo.lock")).wrap_err("copy the lock file")?;
    Ok(probe)
}

/// The nightly toolchain with the standard library's sources in place.
fn toolchain(cache: &Path) -> Result<PathBuf> {
    let copy = cache.join("toolchain");
    let sources = copy.join("lib/rustlib/src/rust");
    if sources.join("library/std/Cargo.toml").is_file() {
        return Ok(copy);
    }
    let unpacked = sources_from_debian(cache)?;
    let sysroot =
        capture(Command::new("rustc").args([&format!("+{TOOLCHAIN}"), "--print", "sysroot"]))
            .wrap_err(
                "the guest needs the nightly toolchain: `rustup toolchain install nightly`",
            )?;
    if copy.exists() {
        fs::remove_dir_all(&copy).wrap_err("remove a half-made toolchain")?;
    }
    run(Command::new("cp").arg("-a").args([sysroot.trim().as_ref(), copy.as_os_str()]))?;
    let parent = sources.parent().ok_or_eyre("the sources have a folder")?;
    fs::create_dir_all(parent).wrap_err("make room for the standard library's sources")?;
    std::os::unix::fs::symlink(unpacked, &sources)
        .wrap_err("link the standard library's sources")?;
    Ok(copy)
}

/// Downloads and unpacks `rust-src` with a package index of our own.
fn sources_from_debian(cache: &Path) -> Result<PathBuf> {
    let apt = cache.join("apt");
    for dir in ["lists/partial", "cache/archives/partial", "sources"] {
        fs::create_dir_all(apt.join(dir)).wrap_err("create a private package index")?;
    }
    fs::write(apt.join("sources/guest.sources"), sources_list()?)
        .wrap_err("write the package sources")?;
    let options: Vec<String> = [
        ("Dir::Etc::SourceList", "/dev/null".into()),
        ("Dir::Etc::SourceParts", apt.join("sources").display().to_string()),
        ("Dir::State::Lists", apt.join("lists").display().to_string()),
        ("Dir::Cache", apt.join("cache").display().to_string()),
    ]
    .map(|(name, value)| format!("-o{name}={value}"))
    .into();
    let get = |words: &[&str]| run(command(cache, "apt-get", words).args(&options));
    get(&["--quiet", "update"])?;
    get(&["--quiet", "download", &format!("rust-src={RUST_SRC}")])?;
    let package =
        fs::read_dir(cache).wrap_err("look for the package")?.flatten().map(|entry| entry.path());
    let package = package.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.ok_or_eyre("apt-get downloaded no package")?;
    let into = cache.join("rust-src");
    run(Command::new("dpkg").arg("-x").arg(&package).arg(&into))?;
    let version = RUST_SRC.split('+').next().unwrap_or(RUST_SRC);
    Ok(into.join(format!("usr/src/rustc-{version}")))
}

/// The machine's own Debian mirror and key, with the suites that carry a recent compiler.
fn sources_list() -> Result<String> {
    let system = Path::new("/etc/apt/sources.list.d/debian.sources");
    let text = fs::read_to_string(system)
        .wrap_err_with(|| format!("read {}: the guest check needs Debian", system.display()))?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (Some(uri), Some(key)) = (field("URIs:"), field("Signed-By:")) else {
        bail!("{} names no mirror or no key", system.display());
    };
    Ok(format!("Types: deb\nURIs: {uri}\nSuites: {SUITES}\nComponents: main\nSigned-By: {key}\n"))
}
