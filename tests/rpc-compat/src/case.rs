//! A case: what is asked, and what is to be answered.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::{Schemas, SuiteError};

/// A conversation recorded from another client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// `method/case.io`.
    pub name: String,
    /// Requests, each with the answer that was recorded.
    pub rounds: Vec<(String, Value)>,
    /// Whether only the shape of answers counts: they hold what clients may decide.
    pub shape_only: bool,
}

/// How an answer is not as it should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It differs from what was recorded.
    #[error("expected {expected}\n     got {got}")]
    Differs {
        /// What was recorded, without the message of an error.
        expected: Value,
        /// What came, likewise.
        got: Value,
    },
    /// It has not the shape that the specification gives it.
    #[error("{reason}\n  in {got}")]
    Shape {
        /// Where, and why.
        reason: String,
        /// What came.
        got: Value,
    },
    /// There was none.
    #[error("no answer: {0}")]
    None(String),
}

/// The cases of the suite in this folder, in the order in which they are played: of methods, then of cases.
///
/// # Errors
/// If a file cannot be read or understood.
pub fn cases(suite: &Path) -> Result<Vec<Case>, SuiteError> {
    let tests = suite.join("tests");
    let mut cases = BTreeMap::new();
    for method in fs::read_dir(&tests).map_err(SuiteError::read(&tests))? {
        let method = method.map_err(SuiteError::read(&tests))?.path();
        for case in fs::read_dir(&method).map_err(SuiteError::read(&method))? {
            let path = case.map_err(SuiteError::read(&method))?.path();
            let text = fs::read_to_string(&path).map_err(SuiteError::read(&path))?;
            let name = path.strip_prefix(&tests).unwrap_or(&path).display().to_string();
            cases.insert(name.clone(), Case::parse(name, &text)?);
        }
    }
    Ok(cases.into_values().collect())
}

impl Case {
    fn parse(name: String, text: &str) -> Result<Self, SuiteError> {
        let broken = || SuiteError::Case(name.clone());
        let mut rounds = Vec::new();
        let mut asked = None;
        for line in text.lines() {
            if let Some(request) = line.strip_prefix(">> ") {
                asked = Some(request.to_owned());
            } else if let Some(answer) = line.strip_prefix("<< ") {
                let answer = serde_json::from_str(answer).map_err(|_| broken())?;
                rounds.push((asked.take().ok_or_else(broken)?, answer));
            }
        }
        let shape_only = text.lines().any(|line| line.starts_with("// speconly:"));
        Ok(Self { name, rounds, shape_only })
    }

    /// Judges one answer by hive's rules: it is what was recorded but for the words of an error, or it has the shape that the
    /// specification gives it.
    ///
    /// # Errors
    /// How it is wrong.
    pub fn judge(
        &self,
        request: &str,
        expected: &Value,
        got: &Value,
        schemas: &Schemas,
    ) -> Result<(), Failure> {
        if self.shape_only && expected.get("error").is_none() {
            let method = serde_json::from_str::<Value>(request).unwrap_or_default();
            let method = method["method"].as_str().unwrap_or_default();
            let Some(result) = got.get("result") else {
                return Err(Failure::Shape { reason: "no result".into(), got: got.clone() });
            };
            return schemas
                .check(method, result)
                .map_err(|reason| Failure::Shape { reason, got: got.clone() });
        }
        let (expected, got) = (without_message(expected), without_message(got));
        if expected == got { Ok(()) } else { Err(Failure::Differs { expected, got }) }
    }
}

fn without_message(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("message");
    }
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_an_error_are_free_and_nothing_else_is() {
        let case = Case { name: "x".into(), rounds: Vec::new(), shape_only: false };
        let judge = |expected: &Value, got: &Value| {
            case.judge("{}", expected, got, &Schemas::default()).is_ok()
        };
        let error = |code: i64, message: &str| json!({"id": 1, "error": {"code": code, "message": message}});
        assert!(judge(&error(3, "a"), &error(3, "b")));
        assert!(!judge(&error(3, "a"), &error(4, "a")));
        assert!(!judge(&json!({"id": 1, "result": "0x1"}), &json!({"id": 1, "result": "0x01"})));
        assert!(!judge(&json!({"id": 1, "result": {}}), &json!({"id": 1, "result": {"more": 1}})));
    }

    #[test]
    fn a_case_is_a_conversation() {
        let text = "// speconly: x\n>> {\"a\":1}\n<< {\"b\":2}\n>> {}\n<< {}\n";
        let case = Case::parse("m/c.io".into(), text).unwrap();
        assert!(case.shape_only);
        assert_eq!(case.rounds.len(), 2);
        assert_eq!(case.rounds[0], ("{\"a\":1}".into(), json!({"b": 2})));
        assert!(Case::parse("m/c.io".into(), "<< {}").is_err());
    }
}
