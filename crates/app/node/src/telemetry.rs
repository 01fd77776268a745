//! Prometheus metrics, and whether the node is well.

use std::net::SocketAddr;

use axum::{Router, http::StatusCode, routing::get};
use eyre::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use ethrex_rpc::{Bounded, config::IDLE_TIMEOUT};

use crate::tasks::{Readiness, Tasks};

/// Open connections of the metrics server at most.
const MAX_CONNECTIONS: u32 = 32;

/// How often the recorder forgets old samples.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Installs the recorder and serves it at `GET /metrics`. Beside it, `GET /livez` answers while the process does, and `GET /readyz` says
/// 200 once everything has started and until it is told to stop, and 503 otherwise.
pub(crate) async fn serve_metrics(tasks: &mut Tasks, listen: SocketAddr) -> Result<()> {
    let handle =
        PrometheusBuilder::new().install_recorder().wrap_err("install metrics recorder")?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .wrap_err_with(|| format!("cannot listen on {listen} for metrics; is the port in use?"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics at /metrics");
    let process = Collector::default();
    process.describe();
    let rendered = handle.clone();
    let render = move || {
        process.collect();
        std::future::ready(rendered.render())
    };
    let router = Router::new().route("/metrics", get(render)).merge(health(tasks.readiness()));
    tasks.spawn("metrics", |stop| async move {
        let listener = Bounded::new(listener, MAX_CONNECTIONS, IDLE_TIMEOUT);
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
    });
    tasks.spawn("metrics upkeep", |stop| upkeep(handle, stop));
    Ok(())
}

fn health(readiness: Readiness) -> Router {
    let ready = move || {
        let (status, text) = if readiness.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping")
        };
        std::future::ready((status, text))
    };
    Router::new().route("/livez", get(async || "alive")).route("/readyz", get(ready))
}

async fn upkeep(
    handle: PrometheusHandle,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => handle.run_upkeep(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn status(tasks: &Tasks, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        health(tasks.readiness()).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_node_is_ready_from_its_start_to_its_stop() {
        let tasks = Tasks::default();
        let readiness = tasks.readiness();
        assert_eq!((status(&tasks, "/livez").await, status(&tasks, "/readyz").await), (200, 503));
        tasks
            .run_until(async {
                assert!(readiness.is_ready());
            })
            .await
            .unwrap();
        assert!(!readiness.is_ready());
    }
}
