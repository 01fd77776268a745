//! The shapes that the execution APIs give to answers: as much of JSON Schema as their OpenRPC documents use.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use regex_lite::Regex;
use serde_json::{Map, Value};

/// The suite cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file.
    #[error("read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is no YAML.
    #[error("parse {path}: {reason}")]
    Yaml {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A case that is no conversation.
    #[error("case {0} is malformed")]
    Case(String),
}

impl SuiteError {
    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}

/// What each method answers.
#[derive(Debug, Default)]
pub struct Schemas {
    results: BTreeMap<String, Value>,
    components: BTreeMap<String, Value>,
}

/// The deepest a schema may refer to others: those of the suite are not recursive beyond what an answer is deep.
const MAX_DEPTH: usize = 128;

impl Schemas {
    /// Reads the documents of the suite in this folder.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(suite: &Path) -> Result<Self, SuiteError> {
        let root = suite.join("openrpc-src");
        let mut schemas = Self::default();
        for path in documents(&root)? {
            match parse(&path)? {
                Value::Array(methods) => {
                    for method in methods {
                        if let Some(name) = method["name"].as_str() {
                            let result = method["result"]["schema"].clone();
                            schemas.results.insert(name.to_owned(), result);
                        }
                    }
                }
                Value::Object(components) => schemas.components.extend(components),
                _ => {}
            }
        }
        // The Engine API has objects of its own, which other methods refer to by name.
        for path in documents(&root.join("engine/openrpc/schemas"))? {
            if let Value::Object(components) = parse(&path)? {
                for (name, component) in components {
                    schemas.components.entry(name).or_insert(component);
                }
            }
        }
        Ok(schemas)
    }

    /// Whether a result has the shape that this method gives it.
    ///
    /// # Errors
    /// Where it has not, and why.
    pub fn check(&self, method: &str, result: &Value) -> Result<(), String> {
        let schema = self.results.get(method).ok_or_else(|| format!("{method} has no schema"))?;
        self.validate(schema, result, "result", 0)
    }

    /// What `#/components/schemas/NAME`, or a pointer into it, stands for.
    fn referred(&self, target: &str) -> Result<&Value, String> {
        let path = target.strip_prefix("#/components/schemas/").unwrap_or(target);
        let (name, inside) = path.split_at(path.find('/').unwrap_or(path.len()));
        let component = self.components.get(name).and_then(|found| found.pointer(inside));
        component.ok_or_else(|| format!("no schema {target}"))
    }

    fn validate(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        depth: usize,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("{at}: schemas refer to each other without end"));
        }
        let Some(schema) = schema.as_object() else { return Ok(()) };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            self.validate(self.referred(target)?, value, at, depth + 1)?;
        }
        self.check_alternatives(schema, value, at, depth)?;
        check_type(schema, value, at)?;
        check_text(schema, value, at)?;
        match value {
            Value::Object(fields) => self.check_fields(schema, fields, at, depth),
            Value::Array(items) => {
                let Some(of) = schema.get("items") else { return Ok(()) };
                let mut numbered = items.iter().enumerate();
                numbered.try_for_each(|(i, item)| {
                    self.validate(of, item, &format!("{at}[{i}]"), depth + 1)
                })
            }
            _ => Ok(()),
        }
    }

    fn check_alternatives(
        &self,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
        depth: usize,
    ) -> Result<(), String> {
        let list = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
        for part in list("allOf") {
            self.validate(part, value, at, depth + 1)?;
        }
        // More than one shape of a `oneOf` may fit where a document leaves optional what tells them apart.
        for name in ["oneOf", "anyOf"] {
            let mut failures = Vec::new();
            let mut fits = schema.get(name).is_none();
            for choice in list(name) {
                match self.validate(choice, value, at, depth + 1) {
                    Ok(()) => fits = true,
                    Err(reason) => failures.push(reason),
                }
            }
            if !fits {
                return Err(format!("{at}: no shape of {name} fits: {}", failures.join("; ")));
            }
        }
        Ok(())
    }

    fn check_fields(
        &self,
        schema: &Map<String, Value>,
        fields: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<(), String> {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(format!("{at}: lacks {name}"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        for (name, field) in fields {
            let at = format!("{at}.{name}");
            let by_pattern = patterns.into_iter().flatten().find(|(text, _)| matches(text, name));
            let of = properties
                .and_then(|properties| properties.get(name))
                .or_else(|| by_pattern.map(|(_, of)| of));
            let of = match (of, schema.get("additionalProperties")) {
                (None, Some(Value::Bool(false))) => return Err(format!("{at}: is not known")),
                (None, others) => others.filter(|of| of.is_object()),
                (of, _) => of,
            };
            if let Some(of) = of {
                self.validate(of, field, &at, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn check_type(schema: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    let fits = match schema.get("type") {
        Some(Value::String(name)) => is(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("{at}: {value} is no {}", schema["type"])) }
}

fn check_text(schema: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    if let (Some(pattern), Some(text)) =
        (schema.get("pattern").and_then(Value::as_str), value.as_str())
        && !matches(pattern, text)
    {
        return Err(format!("{at}: {text:?} does not match {pattern}"));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        return Err(format!("{at}: {value} is none of {choices:?}"));
    }
    match schema.get("const") {
        Some(only) if only != value => Err(format!("{at}: {value} is not {only}")),
        _ => Ok(()),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn documents(folder: &Path) -> Result<Vec<PathBuf>, SuiteError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(SuiteError::read(folder))? {
        let path = entry.map_err(SuiteError::read(folder))?.path();
        if path.is_dir() {
            // Errors have documents of another kind, and methods of the Engine API are no cases here.
            let name = path.file_name().and_then(|name| name.to_str());
            if !matches!(name, Some("engine" | "error-groups")) {
                found.extend(documents(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    Ok(found)
}

fn parse(path: &Path) -> Result<Value, SuiteError> {
    let text = fs::read_to_string(path).map_err(SuiteError::read(path))?;
    serde_saphyr::from_str(&text)
        .map_err(|error| SuiteError::Yaml { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas() -> Schemas {
        let mut schemas = Schemas::default();
        schemas.components.insert(
            "uint".into(),
            json!({"type": "string", "pattern": "^0x(0|[1-9a-f][0-9a-f]*)$"}),
        );
        let result = json!({
            "oneOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["number"],
                    "properties": {
                        "number": {"$ref": "#/components/schemas/uint"},
                        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
                    },
                },
            ],
        });
        schemas.results.insert("m".into(), result);
        schemas
    }

    #[track_caller]
    fn check(result: &Value, fits: bool) {
        let checked = schemas().check("m", result);
        assert_eq!(checked.is_ok(), fits, "{result}: {checked:?}");
    }

    #[test]
    fn what_has_the_shape_fits() {
        check(&Value::Null, true);
        check(&json!({"number": "0x1f"}), true);
        check(&json!({"number": "0x0", "tags": ["a", "b", "a"]}), true);
    }

    #[test]
    fn what_has_not_does_not() {
        check(&json!({}), false);
        check(&json!({"number": "0x01"}), false);
        check(&json!({"number": 1}), false);
        check(&json!({"number": "0x1", "tags": ["c"]}), false);
        check(&json!({"number": "0x1", "more": 1}), false);
        check(&json!("0x1"), false);
        assert!(schemas().check("other", &Value::Null).is_err());
    }
}
