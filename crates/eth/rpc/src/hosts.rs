//! By which names a server may be reached.
//!
//! The page of a foreign site may have its own name resolve to this machine (DNS rebinding): its requests then are of one origin for
//! the browser, and no rule about origins holds them back. What they cannot hide is the name.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Refuses requests that reach the server by a name it does not have. A page that opens a WebSocket says its origin, which is checked
/// instead.
pub(crate) async fn check(
    State(hosts): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let upgrades = |to: &HeaderValue| to.as_bytes().eq_ignore_ascii_case(b"websocket");
    let websocket = request.method() == Method::GET
        && request.uri().path() == "/"
        && request.headers().get(header::UPGRADE).is_some_and(upgrades);
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    // Browsers always name the host.
    if websocket || host.is_none_or(|host| admits(&hosts, host)) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "invalid host specified; --http.vhosts names those that are valid")
        .into_response()
}

fn admits(hosts: &[String], host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_addresses_are_good() {
        let hosts = ["localhost".to_owned(), "node.example".to_owned()];
        for good in
            ["localhost", "LocalHost:8545", "node.example", "127.0.0.1:1", "10.0.0.1", "[::1]:8545"]
        {
            assert!(admits(&hosts, good), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example:8545", "", "?", "a b", "127.0.0.1.evil"]
        {
            assert!(!admits(&hosts, bad), "{bad}");
        }
        assert!(admits(&["*".to_owned()], "evil.example") && !admits(&[], "localhost"));
    }
}
