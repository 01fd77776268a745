//! One JSON-RPC call at a time: over a fresh connection, which is exact for measuring when a server first answers, or over one that stays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use eyre::{OptionExt, Result, ensure, eyre};
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

/// A connection that stays open from call to call.
#[derive(Debug)]
pub struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn open(url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { host, stream: BufReader::new(stream) })
    }

    /// Calls a method.
    ///
    /// # Errors
    /// If it is answered with an error, or not at all.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = serde_json::from_slice(&self.exchange(&body.to_string())?)?;
        answer.get("result").cloned().ok_or_else(|| eyre!("{method}: {answer}"))
    }

    /// Sends a body, and gives that of the answer.
    ///
    /// # Errors
    /// If the connection ends.
    pub fn exchange(&mut self, body: &str) -> Result<Vec<u8>> {
        let (host, length) = (&self.host, body.len());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = None;
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection has ended");
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let mut answer = vec![0; length.ok_or_eyre("the answer has no length")?];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}
