//! Prometheus metrics.

use std::net::SocketAddr;

use eyre::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::tasks::Tasks;

/// How often the recorder forgets old samples.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

/// Installs the recorder and serves it at `GET /metrics`.
pub(crate) async fn serve_metrics(tasks: &mut Tasks, listen: SocketAddr) -> Result<()> {
    let handle =
        PrometheusBuilder::new().install_recorder().wrap_err("install metrics recorder")?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .wrap_err_with(|| format!("cannot listen on {listen} for metrics; is the port in use?"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics at /metrics");
    let rendered = handle.clone();
    let router = axum::Router::new()
        .route("/metrics", axum::routing::get(move || std::future::ready(rendered.render())));
    tasks.spawn("metrics", |stop| async move {
        axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
    });
    tasks.spawn("metrics upkeep", |stop| upkeep(handle, stop));
    Ok(())
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
