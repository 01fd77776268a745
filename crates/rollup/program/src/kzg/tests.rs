use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::hex;
use proptest::prelude::*;

use super::*;

/// A blob of field elements: each a small number, so that all are canonical.
fn blob(numbers: &[u64]) -> Box<Blob> {
    let mut blob = Box::new(Blob::ZERO);
    for (element, number) in blob.chunks_exact_mut(32).zip(numbers) {
        element[24..].copy_from_slice(&number.to_be_bytes());
        element[1] = number.to_be_bytes()[7];
    }
    blob
}

fn reference(blob: &Blob) -> (Commitment, Proof) {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let raw = c_kzg::Blob::new(blob.0);
    let commitment = settings.blob_to_kzg_commitment(&raw).unwrap().to_bytes();
    let proof = settings.compute_blob_kzg_proof(&raw, &commitment).unwrap().to_bytes();
    (FixedBytes::new(commitment.into_inner()), FixedBytes::new(proof.into_inner()))
}

#[test]
fn proofs_of_the_reference_library_verify_and_others_do_not() {
    let one = blob(&[1, 2, 3, u64::MAX]);
    let other = blob(&[1, 2, 3]);
    let (commitment, proof) = reference(&one);
    assert_eq!(verify_blob_proof(&one, &commitment, &proof), Ok(()));
    let wrong = Err(BlobProofError::Opening);
    assert_eq!(verify_blob_proof(&other, &commitment, &proof), wrong);
    assert_eq!(verify_blob_proof(&one, &reference(&other).0, &proof), wrong);
    assert_eq!(verify_blob_proof(&one, &commitment, &commitment), wrong);
    assert_eq!(verify_blob_proof(&one, &commitment, &Proof::ZERO), wrong, "no point at all");
}

#[test]
fn an_empty_blob_has_the_point_at_infinity_for_commitment_and_proof() {
    let mut infinity = Commitment::ZERO;
    infinity[0] = 0xc0;
    assert_eq!(reference(&Blob::ZERO), (infinity, infinity));
    assert_eq!(verify_blob_proof(&Blob::ZERO, &infinity, &infinity), Ok(()));
}

#[test]
fn bytes_that_are_no_field_element_are_named() {
    let mut blob = blob(&[1]);
    blob[5 * 32] = 0xff;
    let (commitment, proof) = (Commitment::ZERO, Proof::ZERO);
    assert_eq!(
        verify_blob_proof(&blob, &commitment, &proof),
        Err(BlobProofError::Element { index: 5 })
    );
}

#[test]
fn on_a_root_of_unity_the_value_is_the_element_there() {
    let values: Vec<_> = (0..ELEMENTS).map(Scalar::from_u64).collect();
    let roots = roots_of_unity();
    // Index 1 stands at the root whose exponent is 1 with its twelve bits reversed.
    assert_eq!(evaluate(&values, roots[0]), values[0]);
    assert_eq!(evaluate(&values, roots[2048]), values[1]);
    let mut padded = values;
    padded[1] = Scalar::ZERO;
    assert!(evaluate(&padded, roots[2048]).is_zero());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn random_blobs_verify(numbers in proptest::collection::vec(any::<u64>(), 0..4096)) {
        let blob = blob(&numbers);
        let (commitment, proof) = reference(&blob);
        prop_assert_eq!(verify_blob_proof(&blob, &commitment, &proof), Ok(()));
    }
}

/// The archive of the official vectors: in `$ETHREX_SUITES`, else in `shared/suites` inside or beside the workspace.
fn archive() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let asked = std::env::var_os("ETHREX_SUITES").map(PathBuf::from);
    let beside = root.parent().map(|parent| parent.join("shared/suites"));
    [asked, Some(root.join("shared/suites")), beside]
        .into_iter()
        .flatten()
        .map(|suites| suites.join("kzg/kzg-mainnet.tar.zst"))
        .find(|archive| archive.is_file())
}

/// The value behind `key:` in a vector, without quotes. Every value is a hex string or a word.
fn value<'a>(yaml: &'a str, key: &str) -> &'a str {
    let line = yaml.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
    line.split_once(": ").unwrap().1.trim_matches(['\'', '"'])
}

fn bytes<const N: usize>(yaml: &str, key: &str) -> Option<Box<FixedBytes<N>>> {
    let bytes = hex::decode(value(yaml, key)).ok()?;
    FixedBytes::try_from(bytes.as_slice()).ok().map(Box::new)
}

fn verifies(yaml: &str) -> Option<bool> {
    let (blob, commitment, proof) =
        (bytes(yaml, "blob")?, bytes(yaml, "commitment")?, bytes(yaml, "proof")?);
    Some(verify_blob_proof(&blob, &commitment, &proof).is_ok())
}

#[test]
fn official_vectors_hold() {
    let Some(archive) = archive() else {
        // Past libtest's capture: `cargo xtask test` counts such tests as skipped.
        let _ = writeln!(
            std::io::stdout(),
            "\nskipped: the vectors of KZG are not at hand; set ETHREX_SUITES"
        );
        return;
    };
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let (mut proofs, mut challenges, mut values) = (0, 0, 0);
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let [.., kind, _, case, "data.yaml"] = path.split('/').collect::<Vec<_>>()[..] else {
            continue;
        };
        if !["verify_blob_kzg_proof", "compute_challenge", "compute_kzg_proof"].contains(&kind) {
            continue;
        }
        let mut yaml = String::new();
        entry.read_to_string(&mut yaml).unwrap();
        match kind {
            "verify_blob_kzg_proof" => {
                assert_eq!(
                    verifies(&yaml) == Some(true),
                    value(&yaml, "output") == "true",
                    "{case}"
                );
                proofs += 1;
            }
            "compute_challenge" => {
                let point =
                    challenge(&bytes(&yaml, "blob").unwrap(), &bytes(&yaml, "commitment").unwrap());
                assert_eq!(
                    hex::encode_prefixed(point.to_be_bytes()),
                    value(&yaml, "output"),
                    "{case}"
                );
                challenges += 1;
            }
            _ => {
                let Some((blob, z)) = bytes(&yaml, "blob").zip(bytes::<32>(&yaml, "z")) else {
                    continue;
                };
                let (Ok(elements), Some(z)) = (elements(&blob), Scalar::canonical(&z.0)) else {
                    continue;
                };
                // The output is a list of the proof and the value.
                let found = hex::encode_prefixed(evaluate(&elements, z).to_be_bytes());
                assert!(yaml.contains(&found), "{case}");
                values += 1;
            }
        }
    }
    assert!(proofs > 10 && challenges > 3 && values > 20, "{proofs} {challenges} {values}");
}
