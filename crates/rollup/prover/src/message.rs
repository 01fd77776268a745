//! The messages between provers and the coordinator.

use std::{collections::BTreeSet, fmt};

use ethrex_program::ProgramInput;
use ethrex_protocol::BatchNumber;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};

/// A kind of prover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProverType {
    /// Executes the batch again.
    Exec,
    /// RISC Zero.
    #[serde(rename = "RISC0")]
    Risc0,
    /// Succinct's SP1.
    #[serde(rename = "SP1")]
    Sp1,
    /// An enclave that signs.
    #[serde(rename = "TDX")]
    Tdx,
}

impl ProverType {
    /// The number under which its proofs are stored.
    #[must_use]
    pub const fn id(self) -> u32 {
        match self {
            Self::Exec => 0,
            Self::Risc0 => 1,
            Self::Sp1 => 2,
            Self::Tdx => 3,
        }
    }

    /// Who must prove a batch, given whether the deployment requires proofs of RISC0, SP1 and TDX.
    ///
    /// Where none is required, execution must at least confirm what is sent.
    #[must_use]
    pub fn needed([risc0, sp1, tdx]: [bool; 3]) -> BTreeSet<Self> {
        let required = [(risc0, Self::Risc0), (sp1, Self::Sp1), (tdx, Self::Tdx)];
        let needed: BTreeSet<_> =
            required.into_iter().filter(|(yes, _)| *yes).map(|(_, prover)| prover).collect();
        if needed.is_empty() { BTreeSet::from([Self::Exec]) } else { needed }
    }
}

impl fmt::Display for ProverType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exec => "Exec",
            Self::Risc0 => "RISC0",
            Self::Sp1 => "SP1",
            Self::Tdx => "TDX",
        })
    }
}

/// What a prover says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Request {
    /// Registers an enclave.
    ProverSetup {
        /// Which kind.
        prover_type: ProverType,
        /// Its quote.
        payload: Vec<u8>,
    },
    /// Asks for a batch.
    InputRequest {
        /// Version of the prover's program.
        commit_hash: String,
        /// Which kind.
        prover_type: ProverType,
    },
    /// Brings a proof.
    ProofSubmit {
        /// The batch.
        id: BatchNumber,
        /// Its proof.
        proof: ProverOutput,
    },
}

/// A request with the secret of whoever sends it.
#[derive(Debug, Serialize)]
pub(crate) struct Signed {
    #[serde(flatten)]
    pub(crate) request: Request,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth: Option<String>,
}

/// A proof as a backend makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProverOutput {
    /// Only the proof.
    Proof(ProofBytes),
    /// A proof, and what it proves.
    ProofWithPublicValues {
        /// The proof.
        proof_bytes: ProofBytes,
        /// The public inputs.
        public_values: Vec<u8>,
    },
}

/// The bytes of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofBytes {
    /// Who made it.
    pub prover_type: ProverType,
    /// What L1 verifies; empty for execution.
    pub proof: Vec<u8>,
}

impl ProverOutput {
    /// The proof itself.
    #[must_use]
    pub const fn proof(&self) -> &ProofBytes {
        match self {
            Self::Proof(proof) | Self::ProofWithPublicValues { proof_bytes: proof, .. } => proof,
        }
    }

    /// The public inputs, where they came along.
    #[must_use]
    pub fn public_values(&self) -> Option<&[u8]> {
        match self {
            Self::Proof(_) => None,
            Self::ProofWithPublicValues { public_values, .. } => Some(public_values),
        }
    }
}

/// In which form a proof is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProofFormat {
    /// Small enough for L1.
    Groth16,
    /// For an aggregator.
    Compressed,
}

/// What the coordinator says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The enclave is registered.
    ProverSetupACK,
    /// A batch to prove, or nothing.
    InputResponse {
        /// The batch.
        id: Option<BatchNumber>,
        /// What to prove.
        input: Option<Box<ProgramInput>>,
        /// In which form.
        format: Option<ProofFormat>,
    },
    /// The prover runs another version of the program.
    VersionMismatch,
    /// This deployment does not need such proofs.
    ProverTypeNotNeeded {
        /// The kind that asked.
        prover_type: ProverType,
    },
    /// The proof is stored, or not needed any more.
    ProofSubmitACK {
        /// The batch.
        id: BatchNumber,
    },
    /// Something is wrong with the request.
    Refused {
        /// What.
        reason: String,
    },
}

impl Response {
    /// There is nothing to prove.
    pub(crate) const NOTHING: Self = Self::InputResponse { id: None, input: None, format: None };
}

#[derive(Deserialize)]
struct SetupFields {
    prover_type: ProverType,
    payload: Vec<u8>,
}

#[derive(Deserialize)]
struct InputFields {
    commit_hash: String,
    prover_type: ProverType,
}

#[derive(Deserialize)]
struct SubmitFields {
    id: BatchNumber,
    proof: ProverOutput,
}

/// By hand: `auth` stands beside the tag of the request, and going through a generic value first would take many times the
/// memory of the bytes.
impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SignedVisitor)
    }
}

struct SignedVisitor;

const REQUESTS: [&str; 4] = ["ProverSetup", "InputRequest", "ProofSubmit", "auth"];

impl<'de> Visitor<'de> for SignedVisitor {
    type Value = Signed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Signed, A::Error> {
        let (mut request, mut auth) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "auth" => {
                    if auth.replace(map.next_value()?).is_some() {
                        return Err(de::Error::duplicate_field("auth"));
                    }
                    continue;
                }
                "ProverSetup" => {
                    let SetupFields { prover_type, payload } = map.next_value()?;
                    Request::ProverSetup { prover_type, payload }
                }
                "InputRequest" => {
                    let InputFields { commit_hash, prover_type } = map.next_value()?;
                    Request::InputRequest { commit_hash, prover_type }
                }
                "ProofSubmit" => {
                    let SubmitFields { id, proof } = map.next_value()?;
                    Request::ProofSubmit { id, proof }
                }
                other => return Err(de::Error::unknown_variant(other, &REQUESTS)),
            };
            if request.replace(found).is_some() {
                return Err(de::Error::custom("more than one request"));
            }
        }
        let request = request.ok_or_else(|| de::Error::custom("no request"))?;
        Ok(Signed { request, auth })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn reads(json: &serde_json::Value, request: &Request, auth: Option<&str>) {
        let text = json.to_string();
        let signed: Signed = serde_json::from_str(&text).unwrap();
        assert_eq!((&signed.request, signed.auth.as_deref()), (request, auth));
        assert_eq!(&serde_json::to_value(&signed).unwrap(), json);
    }

    #[test]
    fn requests_are_those_of_the_documented_protocol() {
        reads(
            &json!({"InputRequest": {"commit_hash": "v1", "prover_type": "RISC0"}}),
            &Request::InputRequest { commit_hash: "v1".into(), prover_type: ProverType::Risc0 },
            None,
        );
        let proof = ProofBytes { prover_type: ProverType::Sp1, proof: vec![1, 2] };
        reads(
            &json!({"ProofSubmit": {"id": 7, "proof": {"Proof": {"prover_type": "SP1", "proof": [1, 2]}}}}),
            &Request::ProofSubmit { id: BatchNumber(7), proof: ProverOutput::Proof(proof) },
            None,
        );
        let proof_bytes = ProofBytes { prover_type: ProverType::Exec, proof: vec![] };
        reads(
            &json!({"auth": "s", "ProofSubmit": {"id": 7, "proof": {"ProofWithPublicValues": {
                "proof_bytes": {"prover_type": "Exec", "proof": []}, "public_values": [9],
            }}}}),
            &Request::ProofSubmit {
                id: BatchNumber(7),
                proof: ProverOutput::ProofWithPublicValues { proof_bytes, public_values: vec![9] },
            },
            Some("s"),
        );
        reads(
            &json!({"ProverSetup": {"prover_type": "TDX", "payload": [3]}}),
            &Request::ProverSetup { prover_type: ProverType::Tdx, payload: vec![3] },
            None,
        );
    }

    #[test]
    fn answers_are_those_of_the_documented_protocol() {
        let json = |response| serde_json::to_value(&response).unwrap();
        assert_eq!(
            json(Response::NOTHING),
            json!({"InputResponse": {"id": null, "input": null, "format": null}})
        );
        assert_eq!(json(Response::VersionMismatch), json!("VersionMismatch"));
        assert_eq!(json(Response::ProverSetupACK), json!("ProverSetupACK"));
        assert_eq!(
            json(Response::ProofSubmitACK { id: BatchNumber(3) }),
            json!({"ProofSubmitACK": {"id": 3}})
        );
        assert_eq!(
            json(Response::ProverTypeNotNeeded { prover_type: ProverType::Tdx }),
            json!({"ProverTypeNotNeeded": {"prover_type": "TDX"}})
        );
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"auth":"s"}"#,
            r#"{"auth":"s","auth":"t","InputRequest":{"commit_hash":"","prover_type":"Exec"}}"#,
            r#"{"InputRequest":{"commit_hash":"","prover_type":"Other"}}"#,
            r#"{"Unknown":{}}"#,
            r#"{"ProofSubmit":{"id":-1,"proof":{}}}"#,
            r#"{"ProverSetup":{"prover_type":"TDX","payload":[256]}}"#,
            r#"{"ProverSetup":{"prover_type":"TDX","payload":[]},"ProverSetup":{"prover_type":"TDX","payload":[]}}"#,
        ] {
            assert!(serde_json::from_str::<Signed>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn execution_is_needed_where_nothing_else_is() {
        assert_eq!(ProverType::needed([false; 3]), BTreeSet::from([ProverType::Exec]));
        let some = ProverType::needed([true, false, true]);
        assert_eq!(some, BTreeSet::from([ProverType::Risc0, ProverType::Tdx]));
    }
}
