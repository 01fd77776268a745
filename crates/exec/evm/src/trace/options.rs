//! Which tracers there are.

use alloy_primitives::map::HashMap;
use alloy_rpc_types_trace::geth::{
    GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerConfig, GethDebugTracerType,
    GethDebugTracingOptions, erc7562::Erc7562Config, mux::MuxConfig,
};

/// Tracers by name, as refusals list them.
const NAMES: &str = "callTracer, prestateTracer, 4byteTracer, flatCallTracer, noopTracer, muxTracer, erc7562Tracer, stateGasTracer";

/// A tracer that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedTracer {
    /// The name is none of ours.
    #[error("tracer {0:?} is not supported; JavaScript tracers are not, and built-in are {NAMES}")]
    Unknown(String),
    /// Its configuration does not decode.
    #[error("invalid config of tracer {0}")]
    Config(String),
    /// It cannot be one of several.
    #[error("muxTracer cannot run {0}")]
    InMux(String),
}

/// Longest part of a tracer's name that a refusal repeats: a JavaScript tracer is its name.
const SHOWN_NAME: usize = 32;

/// The options, in the form revm-inspectors takes without error.
pub(super) fn checked(
    mut options: GethDebugTracingOptions,
) -> Result<GethDebugTracingOptions, UnsupportedTracer> {
    // An empty name is geth's for the tracer of single steps.
    let Some(tracer) = options.tracer.take().filter(|tracer| !tracer.as_str().is_empty()) else {
        return Ok(options);
    };
    let kind = built_in(&tracer)?;
    options.tracer_config = checked_config(kind, options.tracer_config)?;
    options.tracer = Some(tracer);
    Ok(options)
}

fn built_in(tracer: &GethDebugTracerType) -> Result<BuiltIn, UnsupportedTracer> {
    match tracer {
        GethDebugTracerType::BuiltInTracer(kind) => Ok(*kind),
        GethDebugTracerType::JsTracer(code) => {
            Err(UnsupportedTracer::Unknown(code.chars().take(SHOWN_NAME).collect()))
        }
    }
}

/// The configuration as the tracer writes it itself. Tracers that have none ignore what is given for them, as geth does.
fn checked_config(
    kind: BuiltIn,
    config: GethDebugTracerConfig,
) -> Result<GethDebugTracerConfig, UnsupportedTracer> {
    let checked = match kind {
        BuiltIn::FourByteTracer | BuiltIn::NoopTracer | BuiltIn::StateGasTracer => {
            return Ok(GethDebugTracerConfig::default());
        }
        BuiltIn::MuxTracer => return checked_mux(config),
        BuiltIn::CallTracer => config.into_call_config().map(Into::into),
        BuiltIn::PreStateTracer => config.into_pre_state_config().map(Into::into),
        BuiltIn::FlatCallTracer => config.into_flat_call_config().map(Into::into),
        BuiltIn::Erc7562Tracer if config.is_null() => Ok(Erc7562Config::default().into()),
        BuiltIn::Erc7562Tracer => config.from_value::<Erc7562Config>().map(Into::into),
    };
    checked.map_err(|_| UnsupportedTracer::Config(name(kind)))
}

fn checked_mux(config: GethDebugTracerConfig) -> Result<GethDebugTracerConfig, UnsupportedTracer> {
    let wanted = config
        .into_mux_config()
        .map_err(|_| UnsupportedTracer::Config(name(BuiltIn::MuxTracer)))?;
    let mut all = HashMap::default();
    for (tracer, config) in wanted.0 {
        let kind = built_in(&tracer)?;
        if matches!(kind, BuiltIn::MuxTracer | BuiltIn::Erc7562Tracer) {
            return Err(UnsupportedTracer::InMux(name(kind)));
        }
        let config = checked_config(kind, config.unwrap_or_default())?;
        all.insert(tracer, (!config.is_null()).then_some(config));
    }
    Ok(MuxConfig(all).into())
}

fn name(kind: BuiltIn) -> String {
    GethDebugTracerType::BuiltInTracer(kind).as_str().to_owned()
}
