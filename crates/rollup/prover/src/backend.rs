//! How a batch is proven.

use std::fmt;

use ethrex_program::{ProgramError, ProgramInput, prove};

use crate::message::{ProofBytes, ProverOutput, ProverType};

/// A batch could not be proven.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The program has no public inputs for it.
    #[error("execute the batch")]
    Program(#[source] Box<ProgramError>),
}

impl From<ProgramError> for BackendError {
    fn from(error: ProgramError) -> Self {
        Self::Program(Box::new(error))
    }
}

/// Turns the input of a batch into a proof. It may take as long as it needs; callers give it a thread of its own.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Which kind of proof it makes.
    fn prover_type(&self) -> ProverType;
    /// Proves a batch.
    ///
    /// # Errors
    /// If the batch is invalid, or the input does not suffice.
    fn prove(&self, input: &ProgramInput) -> Result<ProverOutput, BackendError>;
}

/// Executes the batch again, without its state. What it answers is no proof: the public inputs, and nothing that convinces others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exec;

impl Backend for Exec {
    fn prover_type(&self) -> ProverType {
        ProverType::Exec
    }

    fn prove(&self, input: &ProgramInput) -> Result<ProverOutput, BackendError> {
        let public_values = prove(input)?.encode();
        let proof_bytes = ProofBytes { prover_type: ProverType::Exec, proof: Vec::new() };
        Ok(ProverOutput::ProofWithPublicValues { proof_bytes, public_values })
    }
}
