//! What the process logs, where to, and how that is changed while it runs.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::OnceLock,
};

use eyre::WrapErr;
use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::{
    Registry, filter::Targets, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::cli::{LogArgs, LogColor, filter};

/// Files of logs that stay.
const LOG_FILES: usize = 30;

/// Where the filter can be changed. A process has one log.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging. What is returned must live as long as the process logs: it writes what is still queued for a file.
pub(crate) fn start(args: &LogArgs) -> eyre::Result<Option<WorkerGuard>> {
    let colored = match args.color {
        LogColor::Auto => io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        LogColor::Always => true,
        LogColor::Never => false,
    };
    let filter: Targets = args.level.parse().expect("the flag was parsed as a filter before");
    let (filter, handle) = reload::Layer::new(filter);
    let (files, guard) = match &args.dir {
        None => (None, None),
        Some(dir) => {
            let (writer, guard) = tracing_appender::non_blocking(log_file(dir)?);
            let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
            (Some(layer), Some(guard))
        }
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colored))
        .with(files)
        .init();
    // The log is started once.
    let _ = FILTER.set(handle);
    Ok(guard)
}

/// Logs what passes this filter from now on, written as `--log.level` takes it.
pub(crate) fn set_filter(text: &str) -> Result<(), String> {
    let targets: Targets =
        filter(text).map_err(|error| error.to_string())?.parse().expect("it was just parsed");
    let handle = FILTER.get().ok_or("this process does not log")?;
    handle.reload(targets).map_err(|error| error.to_string())
}

fn log_file(dir: &Path) -> eyre::Result<RollingFileAppender> {
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("ethrex")
        .filename_suffix("log")
        .max_log_files(LOG_FILES)
        .build(dir)
        .wrap_err_with(|| format!("--log.dir {}: cannot write there", dir.display()))
}
