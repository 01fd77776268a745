//! One JSON-RPC call at a time over a fresh connection: slow for work, exact for measuring when a server first answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use eyre::{OptionExt, Result, ensure};
use serde_json::{Value, json};

/// An answer takes this long at most, or counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls a method at `http://host:port`; the result, or an error where nobody listens yet.
pub fn call(url: &str, method: &str, params: &Value) -> Result<Value> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "{method} was answered with `{}`",
        answer.lines().next().unwrap_or_default()
    );
    let start = answer.find('{').ok_or_eyre("the answer has no JSON in it")?;
    let end = answer.rfind('}').ok_or_eyre("the answer has no JSON in it")?;
    let answer: Value = serde_json::from_str(&answer[start..=end])?;
    answer.get("result").cloned().ok_or_eyre("the answer has no result")
}
