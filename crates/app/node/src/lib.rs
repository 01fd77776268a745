//! Composition roots, supervisor and telemetry.
